-- +++
-- title = "{principal_name}: objects in {request_bucket_name} of {account_id} are deleted after a few days"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_bucket_name"]
-- attack = ["T1562.008", "T1485"]
-- cis = ["1.4.0/4.8"]
-- why = """
-- A rule that deletes after a week or less, on a bucket whose name says that it keeps logs, removes the traces \
-- without a single deletion in the log."""
-- false_positives = ["a bucket for scratch files with such a name"]
-- runbook = """
-- 1. Read the rule:
--    SELECT request_parameters FROM events WHERE event_id = '<event_id>'
-- 2. Is it the bucket of a trail? Remove the rule before it runs (once a day), and turn on object lock.
-- 3. Read the caller's other calls:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- """
-- refs = [
--   "Amazon S3 User Guide: Expiring objects",
--   "AWS CloudTrail User Guide: Security best practices in AWS CloudTrail",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_bucket_name, request_parameters
FROM events
WHERE event_source = 's3.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('PutBucketLifecycle', 'PutBucketLifecycleConfiguration')
  AND regexp_like(request_bucket_name, '(?i)trail|log|audit')
  AND regexp_like(request_parameters, '"Expiration"\s*:\s*\{[^}]*"Days"\s*:\s*"?[1-7]\b')
