-- +++
-- title = "{principal_name} assumes more roles than it ever did"
-- severity = "medium"
-- status = "stable"
-- kind = "spike"
-- entity = ["principal_key"]
-- bucket = "1h"
-- measure = "distinct(request_role_arn)"
-- season = "none"
-- history = "28d"
-- p_below = 1e-06
-- at_least = 5
-- ratio = 4.0
-- attack = ["T1548.005", "T1021.007", "T1078.004"]
-- cis = []
-- why = """
-- From one role to five others within an hour, by a session that never did so: somebody goes through the \
-- accounts that it opens. Refused attempts count."""
-- false_positives = ["a pipeline that was extended to more accounts"]
-- runbook = """
-- 1. Which roles, and what was done in them:
--    SELECT event_time, request_role_arn, outcome, response_access_key_id, source_ip_address FROM events WHERE
--      principal_key = '<principal_key>' AND event_name = 'AssumeRole' ORDER BY event_time DESC LIMIT 100
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: revoke the sessions of all of these roles.
-- """
-- refs = ["IAM User Guide: Roles terms and concepts, role chaining"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, request_role_arn, outcome
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name = 'AssumeRole' AND NOT actor_is_service
