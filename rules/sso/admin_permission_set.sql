-- +++
-- title = "{principal_name} made permission set {permission_set} an administrator by {event_name}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "permission_set"]
-- attack = ["T1098.003"]
-- cis = []
-- why = """
-- A permission set becomes a role in every account where it is assigned: one call makes administrators in all of \
-- them."""
-- false_positives = ["the administrator set is being set up"]
-- runbook = """
-- 1. Who is assigned to it, where:
--    SELECT event_time, request_parameters FROM events WHERE event_name IN ('CreateAccountAssignment',
--      'ProvisionPermissionSet') ORDER BY event_time
-- 2. Who used it since:
--    SELECT event_time, principal_name, session_name, event_name FROM events WHERE principal_name LIKE
--      'AWSReservedSSO_%' ORDER BY event_time
-- 3. Unknown: take the policy off and provision again.
-- """
-- refs = ["IAM Identity Center User Guide: Manage AWS accounts with permission sets"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'permissionSetArn') AS permission_set
FROM events
WHERE event_source = 'sso.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name = 'AttachManagedPolicyToPermissionSet'
         AND regexp_like(json_text(request_parameters, 'managedPolicyArn'), ':iam::aws:policy/(AdministratorAccess|IAMFullAccess)$')
       OR event_name = 'PutInlinePolicyToPermissionSet' AND policy_grants_admin(json_text(request_parameters, 'inlinePolicy')))
