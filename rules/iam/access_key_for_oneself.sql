-- +++
-- title = "{principal_name} created another access key for itself in {account_id}"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key"]
-- attack = ["T1098.001"]
-- cis = []
-- why = "A second key outlives the removal of the first. Who uses a stolen key makes one of its own."
-- false_positives = ["the yearly rotation: then the old key is deleted within days"]
-- runbook = """
-- 1. Was the old key deleted afterwards:
--    SELECT event_time, event_name, request_access_key_id FROM events WHERE principal_key = '<principal_key>' AND
--      event_name IN ('CreateAccessKey', 'UpdateAccessKey', 'DeleteAccessKey') ORDER BY event_time
-- 2. Is the place usual for the user?
-- 3. From where is the new key used:
--    SELECT source_ip_address, user_agent, count(*) FROM events WHERE user_identity_access_key_id =
--      '<response_access_key_id>' GROUP BY 1, 2
-- """
-- refs = ["IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       response_access_key_id
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name = 'CreateAccessKey'
  AND user_identity_type = 'IAMUser' AND coalesce(request_user_name, user_identity_user_name) = user_identity_user_name
