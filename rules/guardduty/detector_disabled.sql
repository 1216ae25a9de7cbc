-- +++
-- title = "{principal_name} switched GuardDuty off in {account_id} ({aws_region}) by {event_name}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name", "aws_region"]
-- attack = ["T1562.001"]
-- cis = []
-- why = """
-- GuardDuty sees what no trail shows: name lookups, flows, stolen instance credentials. Off, it sees nothing, and \
-- its old findings are gone with the detector."""
-- false_positives = ["a region that is given up; a move to an organisation that brings its own detector"]
-- runbook = """
-- 1. Which regions:
--    SELECT aws_region, event_time, event_name FROM events WHERE event_source = 'guardduty.amazonaws.com' AND
--      principal_key = '<principal_key>' ORDER BY event_time
-- 2. Enable it again from the administrator account.
-- 3. Read what the caller did before and since:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- """
-- refs = ["Amazon GuardDuty User Guide: Suspending or disabling GuardDuty"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'detectorId') AS detector
FROM events
WHERE event_source = 'guardduty.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name = 'DeleteDetector' OR event_name = 'UpdateDetector' AND json_text(request_parameters, 'enable') = 'false')
