-- +++
-- title = "User {target_user} of {account_id} failed to sign in again and again"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["account_id", "target_user"]
-- window = "20m"
-- having = ["count >= 6"]
-- attack = ["T1110.001"]
-- cis = ["1.4.0/4.6"]
-- why = """
-- People ask for a new password after a handful of failures. Six within minutes are a program, or somebody who \
-- guesses. Counted over all addresses."""
-- false_positives = ["a password manager or a test that keeps an old password"]
-- runbook = """
-- 1. From where, and did it end in a success:
--    SELECT event_time, source_ip_address, user_agent, login_result, mfa_used FROM events WHERE event_name =
--      'ConsoleLogin' AND account_id = '<account_id>' AND user_identity_user_name = '<target_user>' ORDER BY
--      event_time
-- 2. A failure with mfa_used = true means that the password was right.
-- 3. Reset the password; ask the user.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: AWS Management Console sign-in events",
--   "MITRE ATT&CK T1110.001 Password Guessing",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_user_name AS target_user, mfa_used
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'failure'
  AND user_identity_user_name <> 'HIDDEN_DUE_TO_SECURITY_REASONS'
