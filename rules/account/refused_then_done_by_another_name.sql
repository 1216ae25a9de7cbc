-- +++
-- title = "{event_name} was refused at {source_ip_address}, then done there under a role"
-- severity = "medium"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "source_ip_address", "user_agent"]
-- steps = ["refused", "done"]
-- within = "1h"
-- same = ["event_name"]
-- attack = ["T1548.005", "T1078.004"]
-- cis = []
-- why = """
-- Refused as a user, done a little later as a role, by one program at one address: somebody looked for an \
-- identity that may, and found it. Only calls that make identities or read secrets are looked at."""
-- false_positives = ["a person who forgot to put on the role that they are meant to use"]
-- runbook = """
-- 1. Who was refused, which role did it, and who may assume it:
--    SELECT event_time, principal_key, session_name, event_name, outcome, error_message FROM events WHERE
--      source_ip_address = '<source_ip_address>' AND account_id = '<account_id>' ORDER BY event_time
-- 2. Is the role meant for this user?
-- 3. Unknown: revoke the role's sessions, deactivate the user's key.
-- """
-- refs = ["IAM User Guide: Roles terms and concepts, role chaining"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_source, event_name, outcome,
       CASE user_identity_type WHEN 'IAMUser' THEN 'refused' ELSE 'done' END AS step
FROM events
WHERE NOT actor_is_service
  AND ((user_identity_type = 'IAMUser' AND outcome = 'denied')
       OR (user_identity_type = 'AssumedRole' AND outcome = 'success'))
  AND event_name IN ('GetSecretValue', 'BatchGetSecretValue', 'CreateUser', 'CreateAccessKey', 'CreateLoginProfile',
                     'AttachUserPolicy', 'AttachRolePolicy', 'PutUserPolicy', 'PutRolePolicy', 'UpdateAssumeRolePolicy',
                     'GetAccountAuthorizationDetails', 'GetPasswordData')
