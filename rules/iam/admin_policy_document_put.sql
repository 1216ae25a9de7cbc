-- +++
-- title = "{principal_name} put a policy that makes an administrator ({event_name}) in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1098.003", "T1484"]
-- cis = ["1.4.0/4.4", "1.4.0/1.16"]
-- why = """
-- The document itself was read: without a condition it allows everything, or all that is needed to take \
-- everything. The name of the policy says nothing about that."""
-- false_positives = ["infrastructure code that defines administrator roles"]
-- runbook = """
-- 1. Read the document:
--    SELECT request_policy_document FROM events WHERE event_id = '<event_id>'
-- 2. Who has it now (user, role, group or whatever the policy is attached to)?
-- 3. Unknown: delete the policy or the version, revoke sessions, read the caller's other calls.
-- """
-- refs = [
--   "IAM User Guide: Managed policies and inline policies",
--   "AWS Security Hub User Guide: IAM.1 IAM policies should not allow full \"*\" administrative privileges",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_user_name, request_role_name, request_group_name, request_policy_name, request_policy_arn
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('PutUserPolicy', 'PutRolePolicy', 'PutGroupPolicy', 'CreatePolicy', 'CreatePolicyVersion')
  AND policy_grants_admin(request_policy_document)
