-- +++
-- title = "Root of account {account_id} got a password again"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key"]
-- attack = ["T1098"]
-- cis = []
-- why = """
-- Member accounts of an organisation are safest without a root password. This call gives one back, by a delegated \
-- root session."""
-- false_positives = ["a planned recovery by the central team"]
-- runbook = """
-- 1. Who asked for the root session:
--    SELECT event_time, principal_key, request_target_principal, source_ip_address FROM events WHERE event_name =
--      'AssumeRoot' AND request_target_principal LIKE '%<account_id>%' ORDER BY event_time
-- 2. Not planned: delete root's credentials again by AssumeRoot.
-- """
-- refs = ["IAM User Guide: Perform a privileged task on an AWS Organizations member account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'CreateLoginProfile'
  AND outcome = 'success' AND NOT actor_is_service
  AND user_identity_type = 'Root' AND request_user_name IS NULL
