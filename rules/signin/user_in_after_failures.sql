-- +++
-- title = "User {target_user} of {account_id} signed in after five wrong passwords"
-- severity = "medium"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "target_user"]
-- steps = ["failed", "failed", "failed", "failed", "failed", "signed_in"]
-- within = "1h"
-- attack = ["T1110.001", "T1078.004"]
-- cis = []
-- why = """
-- Five wrong passwords for one user and then the right one, from whatever addresses: somebody guessed, or remembered \
-- in the end. A guesser who changes addresses is seen by the user only."""
-- false_positives = ["somebody after a holiday; the address is then the usual one"]
-- runbook = """
-- 1. From where were the failures, from where the sign-in, and with a second factor or without:
--    SELECT event_time, source_ip_address, source_country, user_agent, login_result, mfa_used FROM events WHERE
--      event_name = 'ConsoleLogin' AND user_identity_user_name = '<target_user>' ORDER BY event_time DESC LIMIT 30
-- 2. More than one address, or one that is new: take the password for guessed. Change it, end the sessions.
-- 3. The usual address and a second factor: ask the user, and let it be.
-- """
-- refs = ["MITRE ATT&CK T1110.001 Password Guessing"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_user_name AS target_user, mfa_used, outcome,
       CASE outcome WHEN 'success' THEN 'signed_in' ELSE 'failed' END AS step
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin'
  AND user_identity_user_name <> 'HIDDEN_DUE_TO_SECURITY_REASONS'
