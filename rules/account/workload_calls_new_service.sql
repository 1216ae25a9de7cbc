-- +++
-- title = "{principal_name} in {account_id} calls {event_source}, which it never did"
-- severity = "low"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["principal_key"]
-- value = ["event_source"]
-- learn = "14d"
-- min_events = 200
-- forget = "90d"
-- max_new_rate = 0.01
-- attack = ["T1078.004", "T1526"]
-- cis = []
-- why = """
-- A program calls the services that it was written for. Another one after weeks is a new version, or somebody \
-- who uses the program's credentials. Refused calls count."""
-- false_positives = ["a new version of the program"]
-- runbook = """
-- 1. Was there a deployment?
-- 2. What was called, from where, by which agent:
--    SELECT event_time, event_name, outcome, source_network, user_agent FROM events WHERE principal_key =
--      '<principal_key>' AND event_source = '<event_source>' ORDER BY event_time
-- 3. Another network or agent than usual: take it for stolen credentials.
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- """
-- refs = ["Amazon GuardDuty User Guide: IAM finding types, anomalous behaviour"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, principal_class,
       event_source, event_name, outcome
FROM events
WHERE principal_class IN ('ec2_instance', 'lambda', 'ecs_task', 'eks_pod')
