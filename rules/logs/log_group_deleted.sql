-- +++
-- title = "{principal_name} called {event_name} in {account_id} ({aws_region})"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key"]
-- attack = ["T1562.008", "T1070"]
-- cis = []
-- why = "What was logged there is gone. Deployments do it every day; next to other traces it is one of them."
-- false_positives = ["deployments that take their logs with them"]
-- runbook = """
-- 1. Which groups, and were they those of a trail or a function:
--    SELECT event_time, event_name, json_text(request_parameters, 'logGroupName') FROM events WHERE event_source =
--      'logs.amazonaws.com' AND principal_key = '<principal_key>' ORDER BY event_time
-- 2. Other findings on the same identity?
-- """
-- refs = ["Amazon CloudWatch Logs API Reference: DeleteLogGroup"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'logGroupName') AS log_group
FROM events
WHERE event_source = 'logs.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('DeleteLogGroup', 'DeleteLogStream')
