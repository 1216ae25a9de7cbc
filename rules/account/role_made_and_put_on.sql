-- +++
-- title = "Role {role} of {account_id} was made, given full rights and assumed"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["account_id", "role"]
-- window = "24h"
-- having = ["distinct(step) >= 3"]
-- attack = ["T1098.003", "T1548.005", "T1136.003"]
-- cis = []
-- why = """
-- A role with administrator's rights that is put on within a day of its making, whoever does it: a back door is \
-- tried as soon as it is there."""
-- false_positives = [
--   "the first day of a new account or of a deployment role",
--   "tests that make roles and remove them",
-- ]
-- runbook = """
-- 1. Whom does the role trust, and who made it:
--    SELECT event_time, event_name, principal_key, source_ip_address, request_parameters FROM events WHERE
--      request_role_name = '<role>' AND event_source = 'iam.amazonaws.com' ORDER BY event_time
-- 2. What was done with it:
--    SELECT event_time, event_source, event_name, outcome FROM events WHERE session_issuer_user_name = '<role>'
--      ORDER BY event_time
-- 3. Unknown: revoke its sessions, close its trust policy, then look at the maker.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1098.003 Additional Cloud Roles",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_name, request_policy_arn,
       coalesce(request_role_name, regexp_replace(request_role_arn, '^.*/', '')) AS role,
       CASE event_name WHEN 'CreateRole' THEN 'made' WHEN 'AssumeRole' THEN 'assumed' ELSE 'admin' END AS step
FROM events
WHERE event_source IN ('iam.amazonaws.com', 'sts.amazonaws.com') AND outcome = 'success' AND NOT actor_is_service
  AND (event_name IN ('CreateRole', 'AssumeRole')
       OR (event_name = 'AttachRolePolicy'
           AND regexp_like(request_policy_arn, '^arn:aws[a-z-]*:iam::aws:policy/(AdministratorAccess|IAMFullAccess)$'))
       OR (event_name = 'PutRolePolicy' AND policy_grants_admin(request_policy_document)))
