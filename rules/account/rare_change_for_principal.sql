-- +++
-- title = "{principal_name} in {account_id}: {event_name}, a change that is rare for it and for every {principal_class}"
-- severity = "low"
-- status = "stable"
-- kind = "rare"
-- entity = ["principal_key"]
-- value = ["event_source", "event_name"]
-- population = "principal_class"
-- p_below = 0.001
-- half_life = "30d"
-- attack = ["T1078.004", "T1098"]
-- cis = []
-- why = """
-- Who has made hundreds of changes goes on making the same ones. A change that is fewer than one in a thousand, \
-- for the identity and for all of its class, is a new task or somebody else's. Refused calls count."""
-- false_positives = ["a new task", "a new version of a deployment"]
-- runbook = """
-- 1. What was changed, from where, by which agent:
--    SELECT event_time, outcome, source_network, user_agent, request_parameters FROM events WHERE principal_key =
--      '<principal_key>' AND event_name = '<event_name>' ORDER BY event_time
-- 2. Who else makes this change, if anybody:
--    SELECT principal_key, count(*), max(event_time) FROM events WHERE event_name = '<event_name>' GROUP BY 1
-- 3. Another network or agent than usual: take it for stolen credentials.
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- """
-- refs = ["Amazon GuardDuty User Guide: IAM finding types, anomalous behaviour"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, principal_class, event_source, event_name, outcome
FROM events
WHERE read_only = false AND NOT actor_is_service
