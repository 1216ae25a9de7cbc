-- +++
-- title = "A reset of the root password of account {account_id} was asked for from {source_ip_address}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key"]
-- attack = ["T1078.004", "T1110"]
-- cis = []
-- why = """
-- Anybody who knows the root e-mail address can ask for a new password; who reads that mailbox then owns the \
-- account."""
-- false_positives = ["the owner forgot the password"]
-- runbook = """
-- 1. Ask the owner.
-- 2. Was it completed, or did root sign in:
--    SELECT event_time, event_name, outcome, source_ip_address FROM events WHERE principal_key =
--      'root:<account_id>' AND event_source = 'signin.amazonaws.com' ORDER BY event_time
-- 3. Unknown: secure the mailbox; consider removing the root password by central root access.
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'PasswordRecoveryRequested' AND user_identity_type = 'Root'
