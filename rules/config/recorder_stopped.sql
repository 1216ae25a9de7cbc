-- +++
-- title = "{principal_name} called {event_name} in {account_id} ({aws_region}): AWS Config records no more"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562.001", "T1562.008"]
-- cis = ["1.4.0/4.9"]
-- why = "Config is the second witness: it shows what changed even where no trail was left."
-- false_positives = ["a region that is given up; a landing zone that rebuilds its recorder"]
-- runbook = """
-- 1. In which regions:
--    SELECT aws_region, event_time, event_name, principal_key FROM events WHERE event_source =
--      'config.amazonaws.com' AND NOT read_only ORDER BY event_time
-- 2. Start it again.
-- 3. Read what the caller did before and since:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- """
-- refs = ["AWS Config Developer Guide: Managing the configuration recorder"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name
FROM events
WHERE event_source = 'config.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('StopConfigurationRecorder', 'DeleteConfigurationRecorder', 'DeleteDeliveryChannel')
