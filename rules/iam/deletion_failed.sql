-- +++
-- title = "{principal_name} tried to delete identities in {account_id} ({event_name}) and did not succeed"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- fold = "1h"
-- entity = ["principal_key"]
-- attack = ["T1098", "T1531"]
-- cis = []
-- why = """
-- Who deletes a group, a policy, a role or a user knows what there is and what hangs on it. A deletion that is refused, or \
-- of something that is not there or still in use, is somebody's try."""
-- false_positives = ["infrastructure code that takes things away in the wrong order, or a second time"]
-- runbook = """
-- 1. What else did this identity do at the time:
--    SELECT event_time, event_source, event_name, outcome, error_code, source_ip_address FROM events WHERE principal_key =
--      '<principal_key>' ORDER BY event_time DESC LIMIT 100
-- 2. Is the place usual for it, and the hour?
-- 3. Unknown: deactivate the key or revoke the sessions.
-- """
-- refs = ["IAM API Reference: DeleteGroup", "MITRE ATT&CK T1531 Account Access Removal"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_user_name, request_role_name, request_group_name, request_policy_arn, error_code
FROM events
WHERE event_source = 'iam.amazonaws.com' AND NOT actor_is_service
  AND event_name IN ('DeleteGroup', 'DeleteGroupPolicy', 'DeletePolicy', 'DeletePolicyVersion', 'DeleteRole',
                     'DeleteRolePolicy', 'DeleteUser', 'DeleteUserPolicy')
  AND (outcome = 'denied' OR error_code LIKE 'NoSuchEntity%' OR error_code LIKE 'DeleteConflict%')
