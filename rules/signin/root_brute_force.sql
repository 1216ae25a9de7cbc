-- +++
-- title = "The root password of {account_id} is being guessed"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["account_id"]
-- window = "1h"
-- having = ["count >= 10"]
-- attack = ["T1110.001", "T1078.004"]
-- cis = ["1.4.0/4.3", "1.4.0/4.6"]
-- why = "Root signs in a few times a year. Ten failures within an hour are not its owner looking for a note."
-- false_positives = ["the owner, with an old password, on the day when root is needed"]
-- runbook = """
-- 1. From where, and did one succeed:
--    SELECT event_time, event_name, source_ip_address, login_result, mfa_used FROM events WHERE principal_key =
--      'root:<account_id>' AND event_source = 'signin.amazonaws.com' ORDER BY event_time
-- 2. mfa_used = true on a failure: the password is known, only the code is missing. Change it now.
-- 3. Is the e-mail account behind root safe? The next attempt is a password recovery.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: AWS Management Console sign-in events",
--   "IAM User Guide: Root user best practices for your AWS account",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, mfa_used
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'failure'
  AND user_identity_type = 'Root'
