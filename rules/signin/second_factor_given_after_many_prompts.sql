-- +++
-- title = "{target_user} of {account_id} was asked for the second factor again and again, and then it was given"
-- severity = "high"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "target_user"]
-- steps = ["asked", "asked", "asked", "asked", "asked", "signed_in"]
-- within = "1h"
-- attack = ["T1621", "T1078.004"]
-- cis = []
-- why = """
-- Five prompts after a right password, then a sign-in: the owner of the device was worn down, or talked into it \
-- on the telephone."""
-- false_positives = ["somebody whose device was out of reach or out of time"]
-- runbook = """
-- 1. Ask the user: were all of the attempts theirs?
-- 2. From where was each:
--    SELECT event_time, event_name, source_ip_address, source_country, user_agent, login_result FROM events WHERE
--      account_id = '<account_id>' AND user_identity_user_name = '<target_user>' AND event_source =
--      'signin.amazonaws.com' ORDER BY event_time
-- 3. Not theirs: end the session, reset password and factor, read what the session did.
-- """
-- refs = ["MITRE ATT&CK T1621 Multi-Factor Authentication Request Generation"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       CASE user_identity_type WHEN 'Root' THEN 'root' ELSE user_identity_user_name END AS target_user,
       CASE event_name WHEN 'CheckMfa' THEN 'asked' ELSE 'signed_in' END AS step
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name IN ('CheckMfa', 'ConsoleLogin') AND outcome = 'success'
