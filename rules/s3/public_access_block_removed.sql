-- +++
-- title = "{principal_name} took the public access block away by {event_name} ({request_bucket_name}) in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562", "T1530"]
-- cis = ["1.4.0/2.1.5"]
-- why = "The block is what makes a careless policy harmless. The next step is usually a public policy."
-- false_positives = ["a web site bucket is set up"]
-- runbook = """
-- 1. What followed:
--    SELECT event_time, event_name, request_bucket_name, request_parameters FROM events WHERE event_source =
--      's3.amazonaws.com' AND principal_key = '<principal_key>' AND NOT read_only ORDER BY event_time
-- 2. For the whole account: put it back at once.
-- """
-- refs = ["Amazon S3 User Guide: Blocking public access to your Amazon S3 storage"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_bucket_name, request_parameters
FROM events
WHERE event_source = 's3.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name IN ('DeleteBucketPublicAccessBlock', 'DeleteAccountPublicAccessBlock', 'DeletePublicAccessBlock')
       OR event_name IN ('PutBucketPublicAccessBlock', 'PutAccountPublicAccessBlock', 'PutPublicAccessBlock')
         AND regexp_like(request_parameters, '"(BlockPublicAcls|BlockPublicPolicy|IgnorePublicAcls|RestrictPublicBuckets)"\s*:\s*"?false'))
