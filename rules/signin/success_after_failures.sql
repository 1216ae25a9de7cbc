-- +++
-- title = "{principal_name} signed in to {account_id} from {source_ip_address} after a row of failures there"
-- severity = "high"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "source_ip_address"]
-- steps = ["failed", "failed", "failed", "failed", "failed", "signed_in"]
-- within = "1h"
-- attack = ["T1110", "T1078.004"]
-- cis = []
-- why = """
-- The address that failed five times, for whatever users, has now got in: the moment at which guessing became \
-- access. A second factor does not take it back, since the password is known."""
-- false_positives = [
--   "somebody who had forgotten the password and found it",
--   "an office behind one address in which several people failed",
-- ]
-- runbook = """
-- 1. Whose names were tried before the success?
--    SELECT event_time, user_identity_user_name, login_result, mfa_used FROM events WHERE event_name =
--      'ConsoleLogin' AND source_ip_address = '<source_ip_address>' ORDER BY event_time
-- 2. One name, the user's own, a usual place: ask. Several names: take it for a break-in.
-- 3. End the sessions, reset the password, and read what the session did:
--    SELECT event_time, event_source, event_name, outcome FROM events WHERE principal_key = '<principal_key>'
--      ORDER BY event_time
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events", "MITRE ATT&CK T1110 Brute Force"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_user_name AS target_user, mfa_used, outcome,
       CASE outcome WHEN 'success' THEN 'signed_in' ELSE 'failed' END AS step
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin'
