-- +++
-- title = "Root's {event_name} in account {account_id} from {source_ip_address}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1098"]
-- cis = ["1.4.0/4.3"]
-- why = "Who changes the root password or e-mail address keeps the account, and the owner is locked out."
-- false_positives = ["a planned change of the address or the yearly change of the password"]
-- runbook = """
-- 1. Confirm with the holders of the root credentials by another way than the account's e-mail address.
-- 2. Look for the request before it:
--    SELECT event_time, event_name, outcome, source_ip_address FROM events WHERE principal_key =
--      'root:<account_id>' AND event_source = 'signin.amazonaws.com' ORDER BY event_time
-- 3. Unknown: contact AWS Support at once and secure the mailbox.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: AWS Management Console sign-in events",
--   "IAM User Guide: Root user best practices for your AWS account",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name
FROM events
WHERE event_source = 'signin.amazonaws.com' AND outcome = 'success' AND user_identity_type = 'Root'
  AND event_name IN ('PasswordUpdated', 'PasswordRecoveryCompleted', 'EmailUpdated')
