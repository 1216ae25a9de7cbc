-- +++
-- title = "{principal_name} called {event_name} in {account_id}: trail {trail} records less"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "trail"]
-- attack = ["T1562.008"]
-- cis = ["1.4.0/4.5", "1.4.0/3.1", "1.4.0/3.2"]
-- why = """
-- The trail lives on, so that nobody misses it, but leaves out regions, global services, management events, half \
-- of the calls, or the proof that its files are unchanged. The parameters of the call itself say so."""
-- false_positives = ["a second trail that was made for data events only is set up"]
-- runbook = """
-- 1. What does it record now:
--    SELECT event_time, event_name, request_parameters, response_elements FROM events WHERE event_source =
--      'cloudtrail.amazonaws.com' AND account_id = '<account_id>' AND NOT read_only ORDER BY event_time
-- 2. Put it back, and look at what the caller did since.
-- 3. Is there another trail that covers the difference?
-- """
-- refs = [
--   "AWS CloudTrail User Guide: Logging management events",
--   "AWS CloudTrail User Guide: Validating CloudTrail log file integrity",
--   "AWS CloudTrail User Guide: UpdateTrail API reference",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       coalesce(request_name, json_text(request_parameters, 'trailName')) AS trail, request_parameters
FROM events
WHERE event_source = 'cloudtrail.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name = 'UpdateTrail'
         AND (json_text(request_parameters, 'isMultiRegionTrail') = 'false'
              OR json_text(request_parameters, 'includeGlobalServiceEvents') = 'false'
              OR json_text(request_parameters, 'enableLogFileValidation') = 'false'
              OR json_text(request_parameters, 'isOrganizationTrail') = 'false')
       OR event_name = 'PutEventSelectors'
         AND (NOT regexp_like(request_parameters, '"includeManagementEvents"\s*:\s*true|"Management"')
              OR regexp_like(request_parameters, '"readWriteType"\s*:\s*"(ReadOnly|WriteOnly)"')
              OR regexp_like(request_parameters, '"excludeManagementEventSources"\s*:\s*\[\s*"')
              OR regexp_like(request_parameters, '"Management"\s*\][^\]]*(\][^\]}]*)?"(readOnly|eventName|eventType|userIdentity.arn)"')))
