-- +++
-- title = "{principal_name} asked what passwords have to be like in {account_id}"
-- severity = "info"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key"]
-- attack = ["T1201"]
-- cis = []
-- why = """
-- The console and AWS's own checks read the password policy all the time. Read by a program or a command line, it is an audit, \
-- or somebody who is going to guess passwords."""
-- false_positives = ["audit tools, infrastructure code"]
-- runbook = """
-- 1. What did this identity ask beside it:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE principal_key =
--      '<principal_key>' ORDER BY event_time DESC LIMIT 100
-- 2. Failed sign-ins afterwards?
-- """
-- refs = ["MITRE ATT&CK T1201 Password Policy Discovery"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, outcome
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'GetAccountPasswordPolicy' AND NOT actor_is_service
  AND session_credential_from_console IS NOT TRUE AND coalesce(user_agent_family, '') NOT IN ('browser', 'console')
