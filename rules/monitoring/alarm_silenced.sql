-- +++
-- title = "{principal_name} called {event_name} in {account_id} ({aws_region})"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key"]
-- attack = ["T1562.001"]
-- cis = []
-- why = "An alarm that is gone or mute warns nobody. Deployments do it too; next to other traces it is one of them."
-- false_positives = ["deployments, maintenance windows"]
-- runbook = """
-- 1. Which alarms:
--    SELECT event_time, event_name, json_text(request_parameters, 'alarmNames') FROM events WHERE event_source =
--      'monitoring.amazonaws.com' AND principal_key = '<principal_key>' ORDER BY event_time
-- 2. Were they alarms on security? Put them back.
-- """
-- refs = ["Amazon CloudWatch API Reference: DeleteAlarms"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'alarmNames') AS alarms
FROM events
WHERE event_source = 'monitoring.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('DeleteAlarms', 'DisableAlarmActions')
