-- +++
-- title = "{principal_name} tried to gain rights in {account_id} and was refused"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- fold = "1h"
-- entity = ["principal_key"]
-- attack = ["T1098", "T1136.003"]
-- cis = ["1.4.0/4.1"]
-- why = """
-- Somebody with these credentials tries the calls by which identities and rights are made. That they fail says \
-- that the rights are well cut, not that the caller is harmless. An hour is one finding."""
-- false_positives = ["a deployment whose role lacks a right: the same call, from the usual place, again and again"]
-- runbook = """
-- 1. What was tried, and what worked:
--    SELECT event_name, outcome, error_code, count(*) FROM events WHERE principal_key = '<principal_key>' GROUP BY
--      1, 2, 3 ORDER BY 4 DESC
-- 2. Is the place usual for it?
-- 3. Unknown: deactivate the key or revoke the sessions before something works.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "IAM User Guide: Troubleshoot access denied error messages",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_user_name, request_role_name, error_code, error_message
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'denied' AND NOT actor_is_service
  AND event_name IN ('CreateUser', 'CreateAccessKey', 'CreateLoginProfile', 'UpdateLoginProfile',
                      'AttachUserPolicy', 'AttachRolePolicy', 'AttachGroupPolicy', 'PutUserPolicy', 'PutRolePolicy',
                      'PutGroupPolicy', 'AddUserToGroup', 'CreatePolicyVersion', 'SetDefaultPolicyVersion',
                      'UpdateAssumeRolePolicy', 'DeactivateMFADevice', 'DeleteUserPermissionsBoundary',
                      'DeleteRolePermissionsBoundary', 'CreateSAMLProvider', 'UpdateSAMLProvider',
                      'CreateOpenIDConnectProvider')
