-- +++
-- title = "{principal_name} made bucket {request_bucket_name} of {account_id} public by {event_name}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_bucket_name"]
-- attack = ["T1530", "T1537"]
-- cis = ["1.4.0/4.8"]
-- why = """
-- Everybody can read or write what lies in the bucket, unless the public access block stands before it. The policy \
-- was read: conditions that say who are taken into account."""
-- false_positives = ["web sites and downloads that are meant for everybody"]
-- runbook = """
-- 1. What lies in it, and does the public access block hold?
-- 2. Who read it since (data events):
--    SELECT event_time, source_ip_address, user_identity_type, request_key FROM events WHERE request_bucket_name =
--      '<request_bucket_name>' ORDER BY event_time
-- 3. Unknown: take it back; look at the caller's other calls.
-- """
-- refs = ["Amazon S3 User Guide: Blocking public access to your Amazon S3 storage (the meaning of public)"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_bucket_name, request_policy_document
FROM events
WHERE event_source = 's3.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name = 'PutBucketPolicy' AND policy_public(request_parameters)
       OR event_name IN ('PutBucketAcl', 'CreateBucket')
         AND regexp_like(request_parameters, '/groups/global/(AllUsers|AuthenticatedUsers)|"public-read'))
