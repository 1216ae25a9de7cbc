-- +++
-- title = "{target_user} of {account_id} gave the right password and a wrong code, several times"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["account_id", "target_user"]
-- window = "1h"
-- having = ["count >= 4"]
-- attack = ["T1621", "T1110"]
-- cis = []
-- why = """
-- A failure at the second factor means that the password was right. Somebody who has the password and not the \
-- device tries codes, or wears the owner down with prompts."""
-- false_positives = ["a device whose clock runs wrong", "a new phone on which the factor was not moved"]
-- runbook = """
-- 1. From where, and is that usual:
--    SELECT event_time, event_name, source_ip_address, source_country, user_agent, login_result FROM events WHERE
--      account_id = '<account_id>' AND user_identity_user_name = '<target_user>' AND event_source =
--      'signin.amazonaws.com' ORDER BY event_time
-- 2. Ask the user whether it was them. If not: the password is known to somebody. Reset it.
-- 3. Was there a success afterwards?
-- """
-- refs = [
--   "AWS CloudTrail User Guide: AWS Management Console sign-in events",
--   "MITRE ATT&CK T1621 Multi-Factor Authentication Request Generation",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_user_name AS target_user
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'failure' AND mfa_used
