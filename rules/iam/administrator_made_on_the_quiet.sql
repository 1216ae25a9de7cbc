-- +++
-- title = "{principal_name} made user {target} in {account_id}, with a credential and full rights"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "target"]
-- window = "4h"
-- having = ["distinct(step) >= 3"]
-- attack = ["T1136.003", "T1098.001", "T1098.003"]
-- cis = ["1.4.0/4.4"]
-- why = """
-- A new user, a key or password for it, and administrator's rights, all by one hand within two hours: a way back \
-- in that survives whatever is done about the first one."""
-- false_positives = ["the first administrator of a new account", "a break-glass user, made by the platform team"]
-- runbook = """
-- 1. Was this announced? Did the maker do such things before?
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE principal_key =
--      '<principal_key>' ORDER BY event_time
-- 2. What did the new user do:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE principal_name =
--      '<target>' ORDER BY event_time
-- 3. Not announced: delete the user's keys and password, detach the policy, then treat the maker as taken over.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1136.003 Create Account: Cloud Account",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_user_name AS target, request_policy_arn, response_access_key_id,
       CASE event_name WHEN 'CreateUser' THEN 'user' WHEN 'CreateAccessKey' THEN 'credential'
                       WHEN 'CreateLoginProfile' THEN 'credential' ELSE 'admin' END AS step
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name IN ('CreateUser', 'CreateAccessKey', 'CreateLoginProfile')
       OR (event_name = 'AttachUserPolicy'
           AND regexp_like(request_policy_arn, '^arn:aws[a-z-]*:iam::aws:policy/(AdministratorAccess|IAMFullAccess)$'))
       OR (event_name = 'PutUserPolicy' AND policy_grants_admin(request_policy_document))
       OR (event_name = 'AddUserToGroup' AND regexp_like(request_group_name, '(?i)admin')))
