-- +++
-- title = "{principal_name} replicates bucket {request_bucket_name} of {account_id} to account {destination}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_bucket_name"]
-- attack = ["T1537", "T1020"]
-- cis = []
-- why = "From now on every new object is copied into an account that is named in the call, by S3 itself."
-- false_positives = ["backup accounts of the same organisation"]
-- runbook = """
-- 1. Whose account is it?
-- 2. Stop the replication, and see what was copied: SELECT request_parameters FROM events WHERE event_id = '<event_id>'.
-- 3. Read the caller's other calls: SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE principal_key = '<principal_key>' ORDER BY event_time.
-- """
-- refs = ["Amazon S3 User Guide: Replicating objects within and across Regions"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, request_bucket_name, request_parameters,
       regexp_replace(request_parameters, '(?s).*"Account"\s*:\s*"?([0-9]{12}).*', '\1') AS destination
FROM events
WHERE event_source = 's3.amazonaws.com' AND event_name = 'PutBucketReplication' AND outcome = 'success' AND NOT actor_is_service
  AND regexp_like(request_parameters, '"Account"\s*:\s*"?[0-9]{12}')
