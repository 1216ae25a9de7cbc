-- +++
-- title = "{principal_name} deleted several databases in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "1h"
-- having = ["distinct(resource) >= 3"]
-- attack = ["T1485"]
-- cis = []
-- why = """
-- Three databases or tables within an hour: a clean-out, by somebody who is leaving or was never invited. \
-- Refused attempts count."""
-- false_positives = ["a test environment that is torn down"]
-- runbook = """
-- 1. Is it still going on? Stop the credentials first: deactivate the key, or revoke the role's sessions.
-- 2. What exactly:
--    SELECT event_time, event_name, outcome, source_ip_address, request_parameters FROM events WHERE principal_key
--      = '<principal_key>' AND event_name IN ('DeleteDBInstance', 'DeleteDBCluster', 'DeleteTable') ORDER BY
--      event_time
-- 3. With or without a final snapshot (skipFinalSnapshot)? Are the automatic backups still there?
-- 4. What else did it do?
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- """
-- refs = ["Amazon RDS User Guide: Deleting a DB instance"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_name, outcome, request_parameters AS resource
FROM events
WHERE event_source IN ('rds.amazonaws.com', 'dynamodb.amazonaws.com') AND NOT actor_is_service
  AND event_name IN ('DeleteDBInstance', 'DeleteDBCluster', 'DeleteTable')
