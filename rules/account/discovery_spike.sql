-- +++
-- title = "{principal_name} looks around in {account_id} as it never does"
-- severity = "medium"
-- status = "stable"
-- kind = "spike"
-- entity = ["principal_key"]
-- bucket = "1h"
-- measure = "distinct(api)"
-- season = "none"
-- history = "28d"
-- p_below = 1e-06
-- at_least = 15
-- ratio = 4.0
-- attack = ["T1580", "T1526", "T1087.004"]
-- cis = []
-- why = """
-- So many different lists and descriptions within an hour, by an identity that usually needs a few: somebody \
-- finds out what there is. Scanners do so every day and stay quiet. Refused calls count."""
-- false_positives = ["an engineer at work on a failure", "a new version of a program"]
-- runbook = """
-- 1. What was asked, and what worked:
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: stop the credentials. Writes come next.
-- """
-- refs = ["MITRE ATT&CK T1580 Cloud Infrastructure Discovery"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_source, event_name, outcome,
       event_source || ':' || event_name AS api
FROM events
WHERE read_only AND NOT actor_is_service AND session_credential_from_console IS NOT TRUE
