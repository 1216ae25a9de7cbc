-- +++
-- title = "{principal_name} read many secrets of {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "20m"
-- having = ["distinct(secret) >= 12"]
-- attack = ["T1555.006"]
-- cis = []
-- why = """
-- Nobody needs a dozen passwords at once. Secrets read one after the other are taken away to be used elsewhere; \
-- refused reads count, since they are the same attempt."""
-- false_positives = [
--   "an operator that copies secrets elsewhere from a role that is not a workload's",
--   "a migration of secrets",
-- ]
-- runbook = """
-- 1. Which secrets, and from where:
--    SELECT event_time, request_secret_id, outcome, source_ip_address, user_agent FROM events WHERE principal_key
--      = '<principal_key>' AND event_source = 'secretsmanager.amazonaws.com' ORDER BY event_time
-- 2. Did it list the secrets just before? Does it read them every day?
-- 3. Unknown: stop the credentials, then rotate every secret that was read, the most powerful first.
-- """
-- refs = [
--   "AWS Secrets Manager User Guide: Log AWS Secrets Manager events with AWS CloudTrail",
--   "MITRE ATT&CK T1555.006 Cloud Secrets Management Stores",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, outcome,
       coalesce(request_secret_id, json_text(request_parameters, 'secretIdList'), error_message) AS secret
FROM events
WHERE event_source = 'secretsmanager.amazonaws.com' AND event_name IN ('GetSecretValue', 'BatchGetSecretValue')
  AND NOT actor_is_service
  AND principal_class NOT IN ('lambda', 'ecs_task', 'eks_pod', 'aws_service_role')
