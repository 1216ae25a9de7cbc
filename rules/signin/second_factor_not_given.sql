-- +++
-- title = "{target_user} of {account_id} was asked for a second factor and gave none"
-- severity = "medium"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "target_user"]
-- steps = ["asked"]
-- within = "10m"
-- unless = "signed_in"
-- attack = ["T1078.004", "T1110"]
-- cis = []
-- why = """
-- The console asks for the factor only once the password was right. Who does not sign in within ten minutes has the \
-- password and perhaps not the device."""
-- false_positives = ["somebody whose device is in another room, or who was called away"]
-- runbook = """
-- 1. Is the place usual for this user, and did a sign-in follow later:
--    SELECT event_time, event_name, source_ip_address, source_country, user_agent, login_result FROM events WHERE account_id =
--      '<account_id>' AND user_identity_user_name = '<target_user>' AND event_source = 'signin.amazonaws.com'
--      ORDER BY event_time
-- 2. Ask the user by another way. Not them: the password is known to somebody; reset it now.
-- 3. The same address with other users?
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       CASE user_identity_type WHEN 'Root' THEN 'root' ELSE user_identity_user_name END AS target_user,
       CASE event_name WHEN 'CheckMfa' THEN 'asked' ELSE 'signed_in' END AS step
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name IN ('CheckMfa', 'ConsoleLogin') AND outcome = 'success'
