-- +++
-- title = "Trail {trail} of {account_id} was stopped and started again"
-- severity = "high"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "trail"]
-- steps = ["stopped", "started"]
-- within = "24h"
-- attack = ["T1562.008"]
-- cis = ["1.4.0/4.5"]
-- why = """
-- A trail that is stopped for a while and put back leaves a hole that nobody notices a week later. What was done \
-- in it is the question."""
-- false_positives = ["a test of the alarm on stopped trails"]
-- runbook = """
-- 1. How long was the hole, and who made it?
-- 2. What do other trails, service logs and bills say of that time?
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE principal_key =
--      '<principal_key>' ORDER BY event_time
-- 3. Compare users, keys, roles and trust policies with what should be there.
-- """
-- refs = ["AWS CloudTrail User Guide: Turning off logging for a trail"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_name, request_name AS trail,
       CASE event_name WHEN 'StopLogging' THEN 'stopped' ELSE 'started' END AS step
FROM events
WHERE event_source = 'cloudtrail.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('StopLogging', 'StartLogging')
