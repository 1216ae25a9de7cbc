-- +++
-- title = "User {target} of {account_id} lived for a few hours only"
-- severity = "medium"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "target"]
-- steps = ["made", "removed"]
-- within = "24h"
-- attack = ["T1136.003", "T1070"]
-- cis = []
-- why = """
-- Users are made to stay. One that is made and removed on the same day did something that nobody should see in \
-- the list of users afterwards."""
-- false_positives = [
--   "integration tests of infrastructure code that run outside of a pipeline",
--   "a typing error in the name, mended at once",
-- ]
-- runbook = """
-- 1. What did the user do in its life:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE
--      user_identity_user_name = '<target>' ORDER BY event_time
-- 2. Who made it, who removed it, and was it given rights or a key?
--    SELECT event_time, event_name, principal_key, source_ip_address FROM events WHERE request_user_name =
--      '<target>' ORDER BY event_time
-- 3. Keys of a deleted user are dead; roles that it assumed may live for hours: revoke them.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1070 Indicator Removal",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_user_name AS target,
       CASE event_name WHEN 'CreateUser' THEN 'made' ELSE 'removed' END AS step
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('CreateUser', 'DeleteUser') AND principal_class <> 'ci'
