-- +++
-- title = "Root of account {account_id} signed in WITHOUT a second factor from {source_ip_address}"
-- severity = "critical"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "signed_in_at"]
-- attack = ["T1078.004"]
-- cis = ["1.4.0/4.2", "1.4.0/4.3", "1.4.0/1.5"]
-- why = "A password is all that stands between an attacker and the whole account, and it has just been used."
-- false_positives = ["the first hour of a new account, before the second factor is enrolled: still worth a look"]
-- runbook = """
-- 1. Ask the holders of the root credentials now.
-- 2. See what the session did:
--    SELECT event_time, event_source, event_name, outcome FROM events WHERE principal_key = 'root:<account_id>'
--      ORDER BY event_time
-- 3. Known: enrol a second factor today, or remove root's password altogether by central root access. Unknown:
--    treat the account as lost, reset the password, and contact AWS Support.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: AWS Management Console sign-in events",
--   "IAM User Guide: Multi-factor authentication for AWS account root user",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       CAST(event_time AS VARCHAR) AS signed_in_at
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'success'
  AND user_identity_type = 'Root' AND mfa_used IS NOT TRUE
  AND session_mfa_authenticated IS NOT TRUE
