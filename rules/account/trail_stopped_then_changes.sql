-- +++
-- title = "{principal_name} stopped a trail of {account_id} and changed what matters"
-- severity = "critical"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "4h"
-- having = ["distinct(step) >= 2"]
-- attack = ["T1562.008", "T1098", "T1485"]
-- cis = ["1.4.0/4.5"]
-- why = """
-- The witness goes, and the deed is done. Another trail has seen what followed; there may be more that nobody \
-- saw."""
-- false_positives = ["an account that is being dismantled"]
-- runbook = """
-- 1. Start the trail again. Which time is missing?
-- 2. What followed, as far as another trail saw it:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE principal_key =
--      '<principal_key>' ORDER BY event_time
-- 3. Stop the credentials first: deactivate the key, or revoke the role's sessions.
-- 4. List users, keys, roles and trust policies and compare them with what should be there: the log alone does not
--    tell.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: Turning off logging for a trail",
--   "MITRE ATT&CK T1562.008 Disable or Modify Cloud Logs",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_source, event_name,
       CASE event_source WHEN 'cloudtrail.amazonaws.com' THEN 'stopped' ELSE 'change' END AS step
FROM events
WHERE outcome = 'success' AND NOT actor_is_service
  AND ((event_source = 'cloudtrail.amazonaws.com' AND event_name IN ('StopLogging', 'DeleteTrail', 'PutEventSelectors'))
       OR (event_source IN ('iam.amazonaws.com', 'kms.amazonaws.com', 'organizations.amazonaws.com', 'guardduty.amazonaws.com')
           AND read_only = false))
