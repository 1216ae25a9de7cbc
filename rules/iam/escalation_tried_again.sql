-- +++
-- title = "{principal_name} tries again and again to gain rights in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "1h"
-- having = ["count >= 3"]
-- attack = ["T1098", "T1136.003"]
-- cis = ["1.4.0/4.1"]
-- why = """
-- Being refused once is a mistake that everybody makes. Three refusals of the calls by which identities and rights are \
-- made, within minutes, are somebody who looks for the one that works."""
-- false_positives = ["a deployment whose role lacks a right: the same call, from the usual place, again and again"]
-- runbook = """
-- 1. What was tried, and what worked:
--    SELECT event_name, outcome, error_code, count(*), min(event_time) FROM events WHERE principal_key =
--      '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: deactivate the key or revoke the sessions before something works.
-- """
-- refs = ["IAM User Guide: Troubleshoot access denied error messages", "MITRE ATT&CK T1098 Account Manipulation"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_name, request_user_name, request_role_name, error_code, error_message
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'denied' AND NOT actor_is_service
  AND event_name IN ('CreateUser', 'CreateAccessKey', 'CreateLoginProfile', 'UpdateLoginProfile',
                      'AttachUserPolicy', 'AttachRolePolicy', 'AttachGroupPolicy', 'PutUserPolicy', 'PutRolePolicy',
                      'PutGroupPolicy', 'AddUserToGroup', 'CreatePolicyVersion', 'SetDefaultPolicyVersion',
                      'UpdateAssumeRolePolicy', 'DeactivateMFADevice', 'DeleteUserPermissionsBoundary',
                      'DeleteRolePermissionsBoundary', 'CreateSAMLProvider', 'UpdateSAMLProvider',
                      'CreateOpenIDConnectProvider')
