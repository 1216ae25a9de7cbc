-- +++
-- title = "{principal_name} turned API credentials into a console session ({user_agent})"
-- severity = "medium"
-- severity_if = { "stands_on = long-lived key" = "high", "second_factor = given" = "low" }
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key"]
-- attack = ["T1550.001", "T1078.004"]
-- cis = []
-- why = """
-- GetSigninToken makes a browser session out of temporary credentials, without password or second factor. The \
-- access portal does it with its own agent; a script that does it is either your own broker or somebody who found \
-- credentials. Where a long-lived key stands behind it, by whatever roles, whoever finds the key has the console; less grave \
-- is a session that was given a second factor."""
-- false_positives = ["an in-house federation broker, command line helpers that open the console"]
-- runbook = """
-- 1. Does this principal do so regularly:
--    SELECT date_trunc('day', event_time), source_ip_address, user_agent, count(*) FROM events WHERE event_name =
--      'GetSigninToken' AND principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 2. What followed from the same address within the hour?
-- 3. Unknown: revoke the sessions of the role or user, and look for the leaked key.
-- """
-- refs = ["IAM User Guide: Enable custom identity broker access to the AWS console"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       CASE WHEN session_mfa_authenticated THEN 'given' END AS second_factor
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'GetSigninToken' AND outcome = 'success'
  AND NOT starts_with(user_agent, 'Jersey/')
