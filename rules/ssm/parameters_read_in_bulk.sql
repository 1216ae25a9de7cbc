-- +++
-- title = "{principal_name} decrypted many parameters of {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "20m"
-- having = ["distinct(parameter) >= 15"]
-- attack = ["T1552", "T1555.006"]
-- cis = []
-- why = """
-- The parameter store holds passwords for those who do not use Secrets Manager. Many of them decrypted one after \
-- the other, and not by a workload at its start, are being taken away."""
-- false_positives = ["a deployment that reads its whole configuration with a role of its own"]
-- runbook = """
-- 1. Which ones, and from where:
--    SELECT event_time, event_name, request_parameters, outcome, source_ip_address FROM events WHERE principal_key
--      = '<principal_key>' AND event_source = 'ssm.amazonaws.com' ORDER BY event_time
-- 2. Does it do so at every deployment?
-- 3. Unknown: stop the credentials, change what was read.
-- """
-- refs = ["AWS Systems Manager User Guide: Logging AWS Systems Manager API calls with AWS CloudTrail"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, outcome,
       coalesce(request_name, json_text(request_parameters, 'names'), json_text(request_parameters, 'path')) AS parameter
FROM events
WHERE event_source = 'ssm.amazonaws.com' AND NOT actor_is_service
  AND event_name IN ('GetParameter', 'GetParameters', 'GetParametersByPath', 'GetParameterHistory')
  AND json_text(request_parameters, 'withDecryption') = 'true'
  AND principal_class NOT IN ('lambda', 'ecs_task', 'eks_pod', 'aws_service_role', 'ci')
