-- +++
-- title = "{principal_name} disables or deletes several keys of {account_id}"
-- severity = "critical"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "1h"
-- having = ["distinct(key) >= 3"]
-- attack = ["T1485", "T1486"]
-- cis = ["1.4.0/4.7"]
-- why = """
-- Without its key, data are lost for good. Several keys within an hour are not housekeeping; refused attempts \
-- count."""
-- false_positives = ["an environment that is torn down with all its keys"]
-- runbook = """
-- 1. Is it still going on? Stop the credentials first: deactivate the key, or revoke the role's sessions.
-- 2. What exactly:
--    SELECT event_time, event_name, outcome, source_ip_address, request_parameters FROM events WHERE principal_key
--      = '<principal_key>' AND event_name IN ('ScheduleKeyDeletion', 'DisableKey') ORDER BY event_time
-- 3. There are at least seven days: cancel each deletion (kms:CancelKeyDeletion), enable each key.
-- 4. What did these keys encrypt? Were new keys from outside brought in?
-- """
-- refs = ["AWS KMS Developer Guide: Delete AWS KMS keys"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_name, outcome, json_text(request_parameters, 'keyId') AS key
FROM events
WHERE event_source = 'kms.amazonaws.com' AND NOT actor_is_service
  AND event_name IN ('ScheduleKeyDeletion', 'DisableKey')
