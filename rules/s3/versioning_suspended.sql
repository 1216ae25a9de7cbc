-- +++
-- title = "{principal_name} suspended versioning of bucket {request_bucket_name} of {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_bucket_name"]
-- attack = ["T1490", "T1485"]
-- cis = []
-- why = """
-- With versions, what is overwritten or deleted can be had back. Suspending them comes before destroying or \
-- encrypting objects."""
-- false_positives = ["a bucket for temporary files"]
-- runbook = """
-- 1. What was deleted or written since (data events):
--    SELECT event_time, event_name, request_key FROM events WHERE request_bucket_name = '<request_bucket_name>' AND
--      NOT read_only ORDER BY event_time
-- 2. Enable it again.
-- 3. Read the caller's other calls:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- """
-- refs = ["Amazon S3 User Guide: Retaining multiple versions of objects with S3 Versioning"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_bucket_name
FROM events
WHERE event_source = 's3.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name = 'PutBucketVersioning'
  AND json_text(request_parameters, 'VersioningConfiguration', 'Status') = 'Suspended'
