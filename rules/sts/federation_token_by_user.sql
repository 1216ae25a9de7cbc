-- +++
-- title = "IAM user {principal_name} made federated credentials ({federated_name}) in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key"]
-- attack = ["T1550.001", "T1098.001"]
-- cis = []
-- why = """
-- A federated session carries no second factor, can open the console, and lives on when the key that made it is \
-- deleted."""
-- false_positives = ["an in-house broker of former years"]
-- runbook = """
-- 1. Does this user do so regularly:
--    SELECT date_trunc('day', event_time), source_ip_address, count(*) FROM events WHERE event_name =
--      'GetFederationToken' AND principal_key = '<principal_key>' GROUP BY 1, 2
-- 2. What did the sessions do:
--    SELECT event_time, event_source, event_name FROM events WHERE user_identity_type = 'FederatedUser' AND
--      session_issuer_arn LIKE '%:user/<principal_name>' ORDER BY event_time
-- 3. Unknown: deny everything to the user (that reaches its federated sessions), then delete the key.
-- """
-- refs = ["AWS STS API Reference: GetFederationToken"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'name') AS federated_name
FROM events
WHERE event_source = 'sts.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name = 'GetFederationToken'
  AND user_identity_type = 'IAMUser'
