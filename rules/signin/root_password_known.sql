-- +++
-- title = "Somebody knows root's password of account {account_id}: from {source_ip_address} only the second factor was wrong"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- fold = "1h"
-- entity = ["principal_key", "source_ip_address"]
-- attack = ["T1110", "T1078.004"]
-- cis = ["1.4.0/4.6"]
-- why = """
-- The second factor is asked for after the password was right. A failed sign-in that used one says that whoever it was \
-- is one code away from being root."""
-- false_positives = ["the owner mistypes the code, and signs in a minute later"]
-- runbook = """
-- 1. Did a sign-in from the same place follow:
--    SELECT event_time, event_name, login_result, mfa_used, source_ip_address FROM events WHERE event_source =
--      'signin.amazonaws.com' AND principal_key = 'root:<account_id>' ORDER BY event_time
-- 2. Nobody of yours: change root's password and the mailbox's, whose reset it may have come from.
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'failure'
  AND user_identity_type = 'Root' AND mfa_used
