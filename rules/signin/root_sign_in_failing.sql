-- +++
-- title = "Root of account {account_id} failed to sign in again and again"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["account_id"]
-- window = "20m"
-- having = ["count >= 3"]
-- attack = ["T1110"]
-- cis = ["1.4.0/4.6"]
-- why = "Root signs in seldom and with care. Three failures within minutes are more than a typing error."
-- false_positives = ["the owner tries old passwords, and asks for a new one in the end"]
-- runbook = """
-- 1. From where, and did it work in the end:
--    SELECT event_time, event_name, login_result, mfa_used, source_ip_address FROM events WHERE event_source =
--      'signin.amazonaws.com' AND principal_key = 'root:<account_id>' ORDER BY event_time
-- 2. Nobody of yours: see that root has a second factor and a password of its own.
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, error_message
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'failure'
  AND user_identity_type = 'Root'
