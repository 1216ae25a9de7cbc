-- +++
-- title = "{principal_name} let everybody assume role {request_role_name} of account {account_id}"
-- severity = "critical"
-- status = "stable"
-- kind = "match"
-- entity = ["account_id", "request_role_name"]
-- attack = ["T1098.003", "T1199"]
-- cis = []
-- why = "The trust policy names * without a condition that says who: any AWS account in the world can take this role."
-- false_positives = ["none known: a role for everybody is a mistake even where it is meant"]
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
       request_role_name, policy_foreign_accounts(request_policy_document, account_id) AS foreign_accounts
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name IN ('CreateRole', 'UpdateAssumeRolePolicy')
  AND outcome = 'success' AND NOT actor_is_service
  AND policy_public(request_policy_document)
