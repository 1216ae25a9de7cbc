-- +++
-- title = "{principal_name} is refused far more often than usual in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "spike"
-- entity = ["principal_key"]
-- bucket = "1h"
-- measure = "count"
-- season = "none"
-- history = "28d"
-- p_below = 1e-06
-- at_least = 20
-- ratio = 5.0
-- attack = ["T1526", "T1078.004"]
-- cis = ["1.4.0/4.1"]
-- why = """
-- Everybody is refused something now and then. Far more refusals within an hour than this identity ever had: \
-- rights were taken away, or somebody else is trying them out."""
-- false_positives = ["a policy was tightened", "a deployment with a role that lacks rights, retried"]
-- runbook = """
-- 1. What was refused:
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 2. One call, again and again: a program; tell its owner. Many different ones: look at the place.
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: stop the credentials.
-- """
-- refs = ["IAM User Guide: Troubleshoot access denied error messages"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_source, event_name, error_code
FROM events
WHERE outcome = 'denied' AND NOT actor_is_service
