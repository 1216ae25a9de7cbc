-- +++
-- title = "Many users of {account_id} failed to sign in from {source_ip_address}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["account_id", "source_ip_address"]
-- window = "30m"
-- having = ["count >= 10", "distinct(target_user) >= 3"]
-- attack = ["T1110.003"]
-- cis = ["1.4.0/4.6"]
-- why = """
-- One address that tries several users is a spray, not a typing error: few passwords, many names, so that no \
-- single user is locked."""
-- false_positives = [
--   "an office behind one address on the morning after a change of the password policy",
--   "a single sign-on page that was set up wrong",
-- ]
-- runbook = """
-- 1. Did any of them get in from there, before or after:
--    SELECT event_time, user_identity_user_name, login_result, mfa_used FROM events WHERE event_name =
--      'ConsoleLogin' AND source_ip_address = '<source_ip_address>' ORDER BY event_time
-- 2. Are the names real users (an attacker has a list) or typing errors?
-- 3. Block the address; reset whoever signed in, and whoever reused the password elsewhere.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: AWS Management Console sign-in events",
--   "MITRE ATT&CK T1110.003 Password Spraying",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_user_name AS target_user, error_message
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'failure'
