-- +++
-- title = "{principal_name} overwrites objects in {account_id} with a key that only the caller has"
-- severity = "critical"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "30m"
-- having = ["distinct(object) >= 15"]
-- attack = ["T1486"]
-- cis = []
-- why = """
-- With a key of the caller's own (SSE-C), AWS encrypts and keeps no key. Object after object written in this way \
-- cannot be read by anybody but the caller: ransom without a foreign program."""
-- false_positives = ["an application that is built on SSE-C: exclude its role"]
-- runbook = """
-- 1. Is it still going on? Stop the credentials first: deactivate the key, or revoke the role's sessions.
-- 2. Which objects:
--    SELECT event_time, event_name, request_bucket_name, request_key, source_ip_address FROM events WHERE
--      principal_key = '<principal_key>' AND event_source = 's3.amazonaws.com' AND read_only = false ORDER BY
--      event_time
-- 3. Is versioning on? Then the earlier versions are there: forbid their deletion at once, and look for a life-
--    cycle rule that expires them.
-- 4. Forbid SSE-C by bucket policy.
-- """
-- refs = [
--   "Amazon S3 User Guide: Using server-side encryption with customer-provided keys",
--   "MITRE ATT&CK T1486 Data Encrypted for Impact",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, event_name,
       request_bucket_name, coalesce(request_bucket_name, '') || '/' || coalesce(request_key, event_id) AS object
FROM events
WHERE event_source = 's3.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('CopyObject', 'PutObject', 'CompleteMultipartUpload')
  AND json_text(request_parameters, 'x-amz-server-side-encryption-customer-algorithm') IS NOT NULL
