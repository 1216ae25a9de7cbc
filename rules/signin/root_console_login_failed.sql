-- +++
-- title = "Failed root sign-in to account {account_id} from {source_ip_address}"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- fold = "1h"
-- entity = ["principal_key", "source_ip_address"]
-- attack = ["T1110"]
-- cis = ["1.4.0/4.6"]
-- why = """
-- Somebody who knows the root e-mail address tries its password. One failure is a typing error; a row of them, or \
-- one from an unknown place, is not."""
-- false_positives = ["the owner mistypes or uses an old password"]
-- runbook = """
-- 1. Is the address one of yours?
-- 2. Did root sign in from there afterwards:
--    SELECT event_time, event_name, login_result, mfa_used, source_ip_address FROM events WHERE event_source =
--      'signin.amazonaws.com' AND principal_key = 'root:<account_id>' ORDER BY event_time
--    MFAUsed Yes on a failure means that the password was right: change it.
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       error_message, mfa_used
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'failure'
  AND user_identity_type = 'Root'
