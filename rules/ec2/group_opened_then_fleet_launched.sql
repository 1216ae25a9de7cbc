-- +++
-- title = "{principal_name} opened a security group to everybody and launched a fleet in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "sequence"
-- entity = ["principal_key"]
-- steps = ["opened", "launched"]
-- within = "2h"
-- attack = ["T1496", "T1578.002", "T1562.007"]
-- cis = ["1.4.0/4.10"]
-- why = """
-- Ports open to the whole internet and ten machines or more at once, by one hand: machines that are to be \
-- commanded from outside."""
-- false_positives = ["a load test", "a public service that is set up by hand"]
-- runbook = """
-- 1. Which ports, which machines:
--    SELECT event_time, event_name, aws_region, request_parameters FROM events WHERE principal_key =
--      '<principal_key>' AND event_source = 'ec2.amazonaws.com' AND read_only = false ORDER BY event_time
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: stop the credentials, close the group, keep one machine's disk for the analysis, terminate the rest.
-- """
-- refs = ["MITRE ATT&CK T1496 Resource Hijacking"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_name, request_parameters,
       CASE event_name WHEN 'RunInstances' THEN 'launched' ELSE 'opened' END AS step
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND ((event_name = 'RunInstances' AND regexp_like(request_parameters, '"maxCount"\s*:\s*"?[0-9]{2,}'))
       OR (event_name = 'AuthorizeSecurityGroupIngress' AND regexp_like(request_parameters, '"(0\.0\.0\.0|::)/0"')))
