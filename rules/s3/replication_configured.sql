-- +++
-- title = "{principal_name} set up replication of bucket {request_bucket_name} of {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_bucket_name"]
-- attack = ["T1537", "T1020"]
-- cis = ["1.4.0/4.8"]
-- why = "From now on S3 itself copies every new object to the bucket named in the call, in whatever account that is."
-- false_positives = ["backup and region copies, mostly made by infrastructure code"]
-- runbook = """
-- 1. Whose bucket is the destination:
--    SELECT request_parameters FROM events WHERE event_id = '<event_id>'
-- 2. Foreign: delete the replication, treat what was written since as read.
-- 3. Read the caller's other calls:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- """
-- refs = ["Amazon S3 User Guide: Replicating objects within and across Regions"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_bucket_name, request_parameters
FROM events
WHERE event_source = 's3.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name = 'PutBucketReplication'
