-- +++
-- title = "Root's password of {account_id} was recovered, and root signed in"
-- severity = "critical"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id"]
-- steps = ["requested", "entered"]
-- within = "24h"
-- attack = ["T1078.004", "T1098"]
-- cis = ["1.4.0/4.3"]
-- why = """
-- Asking for root's recovery mail needs nothing but its address. That the recovery was finished, or that root \
-- signed in, means that the mail box is in somebody's hands."""
-- false_positives = ["the owner, who had lost the password: there must be a ticket for it"]
-- runbook = """
-- 1. Is there a ticket? Telephone whoever holds the mail box of root.
-- 2. Everything that root did:
--    SELECT event_time, event_source, event_name, source_ip_address, mfa_used FROM events WHERE principal_key =
--      'root:<account_id>' ORDER BY event_time
-- 3. No ticket: take the mail box back first, then recover the password yourself, then look for keys and users
--    that were made.
-- """
-- refs = ["IAM User Guide: Root user best practices for your AWS account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_name, mfa_used,
       CASE event_name WHEN 'PasswordRecoveryRequested' THEN 'requested' ELSE 'entered' END AS step
FROM events
WHERE event_source = 'signin.amazonaws.com' AND user_identity_type = 'Root' AND outcome = 'success'
  AND event_name IN ('PasswordRecoveryRequested', 'PasswordRecoveryCompleted', 'PasswordUpdated', 'ConsoleLogin')
