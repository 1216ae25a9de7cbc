-- +++
-- title = "{principal_name} called {event_name} on {key} in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1485", "T1486", "T1562.001"]
-- cis = ["1.4.0/4.7", "1.2.0/3.7"]
-- why = """
-- What the key encrypted can no longer be read, backups and log files included. A deletion can be cancelled until \
-- its waiting time is over."""
-- false_positives = ["keys of a project that has ended"]
-- runbook = """
-- 1. What does it encrypt:
--    SELECT principal_key, event_name, count(*) FROM events WHERE event_source = 'kms.amazonaws.com' AND
--      array_has(resource_arns, '<key>') GROUP BY 1, 2
-- 2. Still in use: CancelKeyDeletion, EnableKey.
-- 3. Unknown: read the caller's other calls:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- """
-- refs = ["AWS KMS Developer Guide: Deleting AWS KMS keys"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'keyId') AS key
FROM events
WHERE event_source = 'kms.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('ScheduleKeyDeletion', 'DisableKey', 'DeleteImportedKeyMaterial')
