-- +++
-- title = "Root of account {account_id} signed in to the console from {source_ip_address}"
-- severity = "high"
-- severity_if = { "circumstance = new account" = "medium", "circumstance = change window" = "medium" }
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "signed_in_at"]
-- attack = ["T1078.004"]
-- cis = ["1.4.0/4.3", "1.2.0/3.3"]
-- why = """
-- Root can do everything and no policy of the account holds it back; hardly any work needs it. Each sign-in should \
-- be one that somebody announced."""
-- false_positives = [
--   "one of the few tasks that only root can do: closing the account, changing its e-mail address or support plan, mending a policy that locked everybody out",
-- ]
-- runbook = """
-- 1. Ask the holders of the root credentials who signed in and why.
-- 2. See what the session did:
--    SELECT event_time, event_source, event_name, outcome FROM events WHERE principal_key = 'root:<account_id>'
--      ORDER BY event_time
-- 3. If nobody knows of it: reset the password through the account's e-mail address, check that address itself,
--    remove root access keys, look for new users, keys and roles.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: AWS Management Console sign-in events",
--   "IAM User Guide: Root user best practices for your AWS account",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       CAST(event_time AS VARCHAR) AS signed_in_at,
       CASE WHEN in_site('new_accounts', account_id, event_time) THEN 'new account'
            WHEN in_site('change_windows', account_id, event_time) THEN 'change window' END AS circumstance
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'success'
  AND user_identity_type = 'Root' AND mfa_used
