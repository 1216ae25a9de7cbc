-- +++
-- title = "{principal_name} starts many machines at once in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "2h"
-- having = ["sum(machines) >= 30"]
-- attack = ["T1496", "T1578.002"]
-- cis = []
-- why = """
-- Thirty machines within two hours, by a person's or a program's key and not by auto scaling or a pipeline: somebody \
-- computes at another's expense. What was refused or beyond the quota counts, since the wish is the news."""
-- false_positives = ["a load test, or a cluster that somebody builds by hand"]
-- runbook = """
-- 1. Of which type, in which regions, with which script:
--    SELECT event_time, aws_region, outcome, error_code, source_ip_address, request_parameters FROM events WHERE
--      principal_key = '<principal_key>' AND event_name = 'RunInstances' ORDER BY event_time
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: stop the credentials, terminate the machines, look for key pairs and for termination protection.
-- """
-- refs = ["MITRE ATT&CK T1496 Resource Hijacking"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, outcome, error_code, json_text(request_parameters, 'instanceType') AS instance_type,
       TRY_CAST(json_text(request_parameters, 'instancesSet', 'items', '0', 'maxCount') AS DOUBLE) AS machines
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND event_name = 'RunInstances' AND NOT actor_is_service
  AND principal_class NOT IN ('ci', 'aws_service_role', 'service_linked_role')
