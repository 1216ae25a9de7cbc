-- +++
-- title = "{principal_name} was refused many different calls in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "20m"
-- having = ["distinct(event_source) >= 4", "distinct(api) >= 5"]
-- attack = ["T1526", "T1580", "T1078.004"]
-- cis = ["1.4.0/4.1"]
-- why = """
-- A program that lacks a right asks for the same thing again and again. Being refused by four services within \
-- minutes is somebody who tries out what these credentials are good for."""
-- false_positives = [
--   "a new role whose rights are still being worked out",
--   "a person who clicks through the console with a role that may do little",
-- ]
-- runbook = """
-- 1. What was tried, and what worked:
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: deactivate the key or revoke the sessions before something works.
-- """
-- refs = ["IAM User Guide: Troubleshoot access denied error messages"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_source, event_name, event_source || ':' || event_name AS api, error_code
FROM events
WHERE outcome = 'denied' AND NOT actor_is_service AND session_credential_from_console IS NOT TRUE
