-- +++
-- title = "{principal_name} deleted many log groups in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "1h"
-- having = ["distinct(log) >= 8"]
-- attack = ["T1070", "T1562.008"]
-- cis = []
-- why = """
-- Logs removed by the dozen, and not by the service that took down the stack: traces are being wiped. Refused \
-- attempts count."""
-- false_positives = ["somebody who clears log groups of deleted functions"]
-- runbook = """
-- 1. Is it still going on? Stop the credentials first: deactivate the key, or revoke the role's sessions.
-- 2. What exactly:
--    SELECT event_time, event_name, outcome, source_ip_address, request_parameters FROM events WHERE principal_key
--      = '<principal_key>' AND event_name IN ('DeleteLogGroup', 'DeleteLogStream') ORDER BY event_time
-- 3. What would have stood in them? Is there a copy elsewhere?
-- 4. What did it do before?
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- """
-- refs = ["Amazon CloudWatch Logs API Reference: DeleteLogGroup"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_name, outcome, request_parameters AS log
FROM events
WHERE event_source = 'logs.amazonaws.com' AND NOT actor_is_service
  AND event_name IN ('DeleteLogGroup', 'DeleteLogStream')
