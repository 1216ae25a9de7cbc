-- +++
-- title = "Root of {user_identity_account_id}, another account, called {event_name} ({event_source}) on something of {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key", "account_id"]
-- attack = ["T1078.004", "T1199"]
-- cis = []
-- why = """
-- A policy of a resource here lets somebody else's account in, and there it is root who comes: an owner who works \
-- without identities, or one whose root was taken. Refused calls count, since they say who tries."""
-- false_positives = ["a partner or customer whose account is worked as root"]
-- runbook = """
-- 1. What was touched, and does a policy let that account in:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, request_parameters FROM events WHERE
--      principal_key = '<principal_key>' AND account_id = '<account_id>' ORDER BY event_time
-- 2. Whose account is it? Ask its owner to use roles.
-- 3. Unknown: take the account out of the policy.
-- """
-- refs = ["IAM User Guide: Cross account resource access in IAM", "IAM User Guide: Root user best practices for your AWS account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, outcome, user_identity_account_id
FROM events
WHERE user_identity_type = 'Root' AND NOT actor_is_service AND event_type <> 'AwsServiceEvent'
  AND user_identity_account_id <> account_id
