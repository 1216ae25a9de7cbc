-- +++
-- title = "{principal_name} lets account {foreign_accounts} assume role {request_role_name} of {account_id}"
-- severity = "medium"
-- severity_if = { "accounts = known" = "low" }
-- status = "stable"
-- kind = "match"
-- entity = ["account_id", "request_role_name"]
-- attack = ["T1098.003", "T1199"]
-- cis = []
-- why = "A role that another account may take is the quietest way to come back: no key, no user, nothing to rotate."
-- false_positives = ["accounts of the same organisation; a vendor that asks for a role, then with an external id"]
-- runbook = """
-- 1. Whose account is it, and who asked for it? Is an external id required? SELECT request_policy_document FROM
--    events WHERE event_id = '<event_id>'.
-- 2. Was the role taken since:
--    SELECT event_time, user_identity_account_id, source_ip_address FROM events WHERE event_name = 'AssumeRole' AND
--      request_role_arn LIKE '%:role/%<request_role_name>' ORDER BY event_time
-- 3. Unknown: restore the trust policy, revoke the role's sessions.
-- """
-- refs = [
--   "IAM User Guide: How to use trust policies with IAM roles",
--   "IAM User Guide: The confused deputy problem",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_role_name, policy_foreign_accounts(request_policy_document, account_id) AS foreign_accounts,
       CASE WHEN outside_site('own_accounts', outside_site('vendors', policy_foreign_accounts(request_policy_document, account_id), event_time), event_time) IS NULL
            THEN 'known' END AS accounts
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name IN ('CreateRole', 'UpdateAssumeRolePolicy')
  AND outcome = 'success' AND NOT actor_is_service
  AND policy_foreign_accounts(request_policy_document, account_id) IS NOT NULL
