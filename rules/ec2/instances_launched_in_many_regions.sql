-- +++
-- title = "{principal_name} launches instances in several regions of {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "1h"
-- having = ["distinct(aws_region) >= 3"]
-- attack = ["T1496", "T1535", "T1578.002"]
-- cis = []
-- why = """
-- Whoever mines on other people's bill starts machines wherever the quota allows. Nobody else starts them in \
-- three regions within the hour; refused attempts and full quotas count."""
-- false_positives = ["a product that is rolled out in several regions by a person"]
-- runbook = """
-- 1. What is running now, of which type, in every region:
--    SELECT event_time, aws_region, outcome, error_code, request_parameters FROM events WHERE principal_key =
--      '<principal_key>' AND event_name = 'RunInstances' ORDER BY event_time
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: stop the credentials, terminate, look for key pairs, security groups and termination protection.
-- """
-- refs = ["MITRE ATT&CK T1496 Resource Hijacking", "MITRE ATT&CK T1535 Unused/Unsupported Cloud Regions"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, outcome,
       error_code, json_text(request_parameters, 'instanceType') AS instance_type
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND event_name = 'RunInstances' AND NOT actor_is_service
  AND principal_class <> 'ci'
