-- +++
-- title = "{principal_name} deleted objects in bulk in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "30m"
-- having = ["distinct(object) >= 40"]
-- attack = ["T1485", "T1490"]
-- cis = []
-- why = """
-- A person or a script with a person's rights deletes object after object. Workloads and life-cycle rules do \
-- such work elsewhere; here it looks like destruction, or like the end of a theft."""
-- false_positives = ["somebody who empties a bucket before removing it", "a migration that runs with a user's key"]
-- runbook = """
-- 1. Is it still going on? Stop the credentials first: deactivate the key, or revoke the role's sessions.
-- 2. What exactly:
--    SELECT event_time, event_name, outcome, source_ip_address, request_parameters FROM events WHERE principal_key
--      = '<principal_key>' AND event_name IN ('DeleteObject', 'DeleteObjects') ORDER BY event_time
-- 3. Is versioning on? Then delete markers can be removed again; was it suspended before?
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_name = 'PutBucketVersioning' ORDER
--      BY event_time DESC
-- 4. Is there a note for ransom: a PutObject by the same hand at the end?
-- """
-- refs = ["Amazon S3 User Guide: Amazon S3 CloudTrail events", "MITRE ATT&CK T1485 Data Destruction"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_name, outcome, coalesce(request_bucket_name, '') || '/' || coalesce(request_key, event_id) AS object
FROM events
WHERE event_source = 's3.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('DeleteObject', 'DeleteObjects')
  AND principal_class NOT IN ('lambda', 'ecs_task', 'eks_pod', 'ec2_instance', 'aws_service_role')
