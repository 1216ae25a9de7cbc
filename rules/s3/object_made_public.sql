-- +++
-- title = "{principal_name} made {request_key} in {request_bucket_name} public"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- fold = "1h"
-- entity = ["principal_key", "request_bucket_name"]
-- attack = ["T1530"]
-- cis = []
-- why = "A single object for everybody slips past reviews of buckets. Seen only where data events are recorded."
-- false_positives = ["assets of web sites"]
-- runbook = """
-- 1. Which objects:
--    SELECT request_key, count(*) FROM events WHERE event_name = 'PutObjectAcl' AND request_bucket_name =
--      '<request_bucket_name>' GROUP BY
-- 1.
-- 2. Set bucket owner enforced, so that ACLs count no more.
-- """
-- refs = ["Amazon S3 User Guide: Access control list (ACL) overview"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_bucket_name, request_key
FROM events
WHERE event_source = 's3.amazonaws.com' AND event_name = 'PutObjectAcl' AND outcome = 'success' AND NOT actor_is_service
  AND regexp_like(request_parameters, '/groups/global/(AllUsers|AuthenticatedUsers)|"public-read')
