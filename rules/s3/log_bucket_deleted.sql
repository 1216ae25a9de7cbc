-- +++
-- title = "{principal_name} called {event_name} on {request_bucket_name} in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_bucket_name"]
-- attack = ["T1485", "T1562.008"]
-- cis = ["1.4.0/4.8"]
-- why = """
-- By its name the bucket keeps logs. Without it, or without the policy that lets services write there, delivery \
-- stops."""
-- false_positives = ["an old log bucket is cleared away"]
-- runbook = """
-- 1. Does a trail, flow log or access log write there?
-- 2. Who emptied it:
--    SELECT event_time, event_name, request_key FROM events WHERE request_bucket_name = '<request_bucket_name>' AND
--      NOT read_only ORDER BY event_time
-- 3. Make it again, or point the trail elsewhere.
-- """
-- refs = ["AWS CloudTrail User Guide: Amazon S3 bucket policy for CloudTrail"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_bucket_name
FROM events
WHERE event_source = 's3.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('DeleteBucket', 'DeleteBucketPolicy')
  AND regexp_like(request_bucket_name, '(?i)trail|log|audit')
