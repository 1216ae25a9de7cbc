-- +++
-- title = "Root of account {account_id} let a command line in ({event_name}) from {source_ip_address}"
-- severity = "high"
-- severity_if = { "circumstance = new account" = "medium", "circumstance = change window" = "medium" }
-- status = "stable"
-- kind = "match"
-- fold = "1h"
-- entity = ["principal_key"]
-- attack = ["T1078.004", "T1550.001"]
-- cis = ["1.4.0/4.3"]
-- why = """
-- `aws login` hands the browser's sign-in on to a program, whose token is renewed for hours. With root behind it, that program \
-- may do everything, and whoever copies its token, too."""
-- false_positives = ["one of the few tasks that only root can do, by somebody who likes the command line"]
-- runbook = """
-- 1. Ask the holders of the root credentials who it was and why.
-- 2. What was done since:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE principal_key =
--      'root:<account_id>' ORDER BY event_time
-- 3. Nobody knows of it: change root's password, which ends its sessions, and undo what was changed.
-- """
-- refs = [
--   "AWS Sign-In API Reference: CreateOAuth2Token",
--   "IAM User Guide: Root user best practices for your AWS account",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       CASE WHEN in_site('new_accounts', account_id, event_time) THEN 'new account'
            WHEN in_site('change_windows', account_id, event_time) THEN 'change window' END AS circumstance
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name IN ('AuthorizeOAuth2Access', 'CreateOAuth2Token')
  AND outcome = 'success' AND user_identity_type = 'Root'
