-- +++
-- title = "{principal_name} signed in to the console of {account_id} without a second factor from {source_ip_address}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key"]
-- attack = ["T1078.004"]
-- cis = ["1.4.0/4.2", "1.2.0/3.2", "1.4.0/1.10"]
-- why = """
-- A user with a password and no second factor is one phished or reused password away from being somebody else. \
-- Sign-ins that a directory vouches for say nothing here about their factors and are left out."""
-- false_positives = ["a user that was created a few days ago and has not enrolled a device yet"]
-- runbook = """
-- 1. Is place and browser usual for this user:
--    SELECT event_time, source_ip_address, source_country, user_agent, mfa_used, login_result FROM events WHERE
--      principal_key = '<principal_key>' AND event_name = 'ConsoleLogin' ORDER BY event_time
-- 2. Usual: have a device enrolled, and deny everything without one.
-- 3. Unusual: disable the password and the keys, and read what the session did.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: AWS Management Console sign-in events",
--   "AWS Security Hub User Guide: IAM.5 MFA should be enabled for all IAM users that have a console password",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'success'
  AND user_identity_type = 'IAMUser' AND mfa_used IS NOT TRUE AND session_mfa_authenticated IS NOT TRUE
  AND json_text(additional_event_data, 'SamlProviderArn') IS NULL
