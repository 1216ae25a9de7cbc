-- +++
-- title = "{user_name} signed in to the console of {account_id} without a second factor"
-- severity = "medium"
-- severity_if = { "standing = not a new user" = "high" }
-- status = "stable"
-- kind = "sequence"
-- entity = ["user_key"]
-- steps = ["signed_in"]
-- optional = "made"
-- within = "3d"
-- attack = ["T1078.004"]
-- cis = ["1.4.0/4.2", "1.2.0/3.2", "1.4.0/1.10"]
-- why = """
-- A user with a password and no second factor is one phished or reused password away from being somebody else. A user \
-- who was made less than three days ago has still to enrol a device. Sign-ins that a directory vouches for say nothing \
-- here about their factors and are left out."""
-- false_positives = ["a user whose device is being replaced"]
-- runbook = """
-- 1. Is place and browser usual for this user:
--    SELECT event_time, source_ip_address, source_country, user_agent, mfa_used, login_result FROM events WHERE
--      principal_key = '<user_key>' AND event_name = 'ConsoleLogin' ORDER BY event_time
-- 2. Usual, or a new user (the finding then holds the CreateUser, too): have a device enrolled, and deny everything
--    without one.
-- 3. Unusual, or made by a stranger: disable the password and the keys, and read what the session did.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: AWS Management Console sign-in events",
--   "AWS Security Hub User Guide: IAM.5 MFA should be enabled for all IAM users that have a console password",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       -- By unique id, since names are given out again.
       CASE event_name WHEN 'CreateUser' THEN concat('user:', json_text(response_elements, 'user', 'userId'))
                       ELSE principal_key END AS user_key,
       CASE event_name WHEN 'CreateUser' THEN request_user_name ELSE user_identity_user_name END AS user_name,
       CASE event_name WHEN 'ConsoleLogin' THEN 'not a new user' END AS standing,
       CASE event_name WHEN 'CreateUser' THEN 'made' ELSE 'signed_in' END AS step
FROM events
WHERE outcome = 'success'
  AND (event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin'
         AND user_identity_type = 'IAMUser' AND mfa_used IS NOT TRUE AND session_mfa_authenticated IS NOT TRUE
         AND json_text(additional_event_data, 'SamlProviderArn') IS NULL
       OR event_source = 'iam.amazonaws.com' AND event_name = 'CreateUser')
