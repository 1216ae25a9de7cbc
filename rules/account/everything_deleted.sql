-- +++
-- title = "{principal_name} deletes things of many kinds in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "2h"
-- having = ["count >= 30", "distinct(event_name) >= 3"]
-- attack = ["T1485", "T1490"]
-- cis = []
-- why = """
-- Objects, snapshots, machines, functions, by one hand and not by the service that takes down a stack: \
-- destruction goes through everything that it may delete. Refused calls count."""
-- false_positives = ["a test environment that is torn down by hand or by Terraform on somebody's machine"]
-- runbook = """
-- 1. Is it still going on? Stop the credentials first: deactivate the key, or revoke the role's sessions.
-- 2. What is gone:
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 3. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 4. Are there backups that this identity cannot reach? Is there a note for ransom?
-- """
-- refs = ["MITRE ATT&CK T1485 Data Destruction"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, event_source, event_name, outcome
FROM events
WHERE (event_name LIKE 'Delete%' OR event_name LIKE 'Terminate%') AND NOT actor_is_service
  AND principal_class NOT IN ('lambda', 'ecs_task', 'eks_pod', 'ec2_instance', 'aws_service_role', 'ci')
