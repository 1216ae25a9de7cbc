-- +++
-- title = "{principal_name} gave itself rights ({event_name}) in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1098.003", "T1548"]
-- cis = ["1.4.0/4.4"]
-- why = "Who may write its own policy has whatever it wants. Provisioning is done by one identity for another."
-- false_positives = ["a deployment role that also manages its own policy"]
-- runbook = """
-- 1. What was added:
--    SELECT request_parameters FROM events WHERE event_id = '<event_id>'
-- 2. What was done with it:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- 3. Unknown: take it off, disable the keys, and find out why this identity may write policies.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1098.003 Additional Cloud Roles",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_policy_arn, request_policy_name, request_group_name
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name IN ('AttachUserPolicy', 'PutUserPolicy', 'AddUserToGroup') AND request_user_name = user_identity_user_name
       OR event_name IN ('AttachRolePolicy', 'PutRolePolicy') AND request_role_name = session_issuer_user_name)
