-- +++
-- title = "{principal_name} deleted several buckets in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "1h"
-- having = ["distinct(request_bucket) >= 5"]
-- attack = ["T1485"]
-- cis = []
-- why = """
-- Buckets are removed one at a time, after thought. Five within an hour are a clean-out; refused attempts count."""
-- false_positives = ["a test environment that is torn down"]
-- runbook = """
-- 1. Is it still going on? Stop the credentials first: deactivate the key, or revoke the role's sessions.
-- 2. What exactly:
--    SELECT event_time, event_name, outcome, source_ip_address, request_parameters FROM events WHERE principal_key
--      = '<principal_key>' AND event_name IN ('DeleteBucket') ORDER BY event_time
-- 3. Were they emptied first, and their contents read?
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- """
-- refs = ["Amazon S3 User Guide: Deleting a bucket"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_name, outcome, request_bucket_name AS request_bucket
FROM events
WHERE event_source = 's3.amazonaws.com' AND NOT actor_is_service
  AND event_name = 'DeleteBucket'
