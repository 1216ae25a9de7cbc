-- +++
-- title = "Root of account {account_id} called {event_name}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1550.001", "T1078.004"]
-- cis = []
-- why = """
-- Temporary credentials with the rights of root, made by hand. No task needs it; it is how a stolen root key is \
-- kept alive after it is deleted."""
-- false_positives = ["none known"]
-- runbook = """
-- 1. What was done with them:
--    SELECT event_time, event_source, event_name, source_ip_address FROM events WHERE principal_key =
--      'root:<account_id>' ORDER BY event_time
-- 2. Delete root's access keys.
-- 3. Credentials last up to an hour for root: watch until then.
-- """
-- refs = ["AWS STS API Reference: GetSessionToken", "AWS STS API Reference: GetFederationToken"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       response_access_key_id
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name IN ('GetSessionToken', 'GetFederationToken')
  AND outcome = 'success' AND NOT actor_is_service
  AND user_identity_type = 'Root'
