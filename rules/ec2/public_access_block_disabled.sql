-- +++
-- title = "{principal_name} called {event_name} in {account_id} ({aws_region})"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562", "T1537"]
-- cis = []
-- why = """
-- A switch for the whole region that keeps disks and images private, or instances without a back door, is turned. \
-- What follows it is worth watching."""
-- false_positives = ["an account whose purpose is publishing images"]
-- runbook = """
-- 1. What was made public since:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_name IN ('ModifySnapshotAttribute',
--      'ModifyImageAttribute') AND account_id = '<account_id>' ORDER BY event_time
-- 2. Turn it back.
-- """
-- refs = [
--   "Amazon EBS User Guide: Block public access for snapshots",
--   "Amazon EC2 User Guide: EC2 Serial Console",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('DisableSnapshotBlockPublicAccess', 'DisableImageBlockPublicAccess', 'EnableSerialConsoleAccess')
