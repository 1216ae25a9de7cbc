-- +++
-- title = "{target_user} of {account_id} was asked for a second factor several times and gave none"
-- severity = "high"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "target_user"]
-- steps = ["asked", "asked", "asked"]
-- within = "1h"
-- unless = "signed_in"
-- attack = ["T1621", "T1110"]
-- cis = []
-- why = """
-- The console asks for the factor only once the password was right. Asked three times within an hour and never \
-- answered: whoever knows the password does not have the device."""
-- false_positives = ["somebody whose device is lost or empty"]
-- runbook = """
-- 1. Ask the user. Not them: the password is known to somebody; reset it now.
-- 2. From where:
--    SELECT event_time, event_name, source_ip_address, source_country, user_agent FROM events WHERE account_id =
--      '<account_id>' AND user_identity_user_name = '<target_user>' AND event_source = 'signin.amazonaws.com'
--      ORDER BY event_time
-- 3. The same address with other users?
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       CASE user_identity_type WHEN 'Root' THEN 'root' ELSE user_identity_user_name END AS target_user,
       CASE event_name WHEN 'CheckMfa' THEN 'asked' ELSE 'signed_in' END AS step
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name IN ('CheckMfa', 'ConsoleLogin') AND outcome = 'success'
