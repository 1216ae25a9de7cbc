-- +++
-- title = "{principal_name} reads more secrets of {account_id} than it ever does"
-- severity = "medium"
-- status = "stable"
-- kind = "spike"
-- entity = ["principal_key"]
-- bucket = "1h"
-- measure = "distinct(request_secret_id)"
-- season = "none"
-- history = "28d"
-- p_below = 1e-06
-- at_least = 6
-- ratio = 5.0
-- attack = ["T1555.006"]
-- cis = []
-- why = """
-- A program reads its own secrets, the same ones all the time. Several others within an hour are somebody's who \
-- holds its credentials. Refused reads count."""
-- false_positives = ["a new version of the program", "a migration of secrets"]
-- runbook = """
-- 1. Which ones, from where:
--    SELECT event_time, request_secret_id, outcome, source_ip_address, user_agent FROM events WHERE principal_key
--      = '<principal_key>' AND event_source = 'secretsmanager.amazonaws.com' ORDER BY event_time DESC LIMIT 100
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: stop the credentials, rotate what was read.
-- """
-- refs = ["MITRE ATT&CK T1555.006 Cloud Secrets Management Stores"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, request_secret_id, outcome
FROM events
WHERE event_source = 'secretsmanager.amazonaws.com' AND NOT actor_is_service
  AND event_name = 'GetSecretValue'
