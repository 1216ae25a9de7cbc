-- +++
-- title = "{principal_name} called {event_name} in {account_id} ({aws_region}): CloudTrail is cut off"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562.008"]
-- cis = ["1.4.0/4.5"]
-- why = "What happens after this call is not recorded by this trail. Nobody needs that for an ordinary change."
-- false_positives = ["a trail is replaced by another one, or an account is closed"]
-- runbook = """
-- 1. Does another trail still record this account and region? Are there still events:
--    SELECT aws_region, max(event_time) FROM events WHERE account_id = '<account_id>' GROUP BY
-- 1.
-- 2. Start it again, then look at what the caller did in the hour before:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- 3. Unknown: treat the caller as stolen, and look for changes made in the gap by AWS Config or by what exists
--    now.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: Turning off logging for a trail",
--   "AWS CloudTrail User Guide: Deleting a trail",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       coalesce(request_name, json_text(request_parameters, 'eventDataStore')) AS trail
FROM events
WHERE event_source = 'cloudtrail.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('StopLogging', 'DeleteTrail', 'DeleteEventDataStore', 'StopEventDataStoreIngestion')
