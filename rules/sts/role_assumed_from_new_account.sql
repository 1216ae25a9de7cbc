-- +++
-- title = "Account {caller_account} assumed a role of {account_id} for the first time"
-- severity = "medium"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["account_id"]
-- value = ["caller_account"]
-- learn = "14d"
-- min_events = 20
-- forget = "90d"
-- max_new_rate = 0.1
-- attack = ["T1199", "T1078.004"]
-- cis = []
-- why = """
-- Each account is entered from a handful of others. A new one is a new partner, a new account of one's own, or \
-- somebody who was let in by a trust policy that was opened."""
-- false_positives = ["a new account of the organisation", "a new supplier"]
-- runbook = """
-- 1. Is the account yours or a partner's? Which role was assumed:
--    SELECT event_time, request_role_arn, user_identity_principal_id, source_ip_address FROM events WHERE
--      user_identity_account_id = '<caller_account>' AND event_name = 'AssumeRole' ORDER BY event_time
-- 2. Who let it in:
--    SELECT event_time, event_name, principal_key, request_role_name FROM events WHERE event_name IN
--      ('CreateRole', 'UpdateAssumeRolePolicy') AND account_id = '<account_id>' ORDER BY event_time DESC LIMIT 20
-- 3. Unknown: close the trust policy, revoke the role's sessions.
-- """
-- refs = ["IAM User Guide: Access to AWS accounts owned by third parties"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_role_arn,
       user_identity_account_id AS caller_account
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name = 'AssumeRole' AND user_identity_type = 'AWSAccount'
  AND outcome = 'success'
