-- +++
-- title = "{principal_name} deleted backups in bulk in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "1h"
-- having = ["distinct(resource) >= 10"]
-- attack = ["T1490", "T1485"]
-- cis = []
-- why = """
-- Snapshots, images and recovery points removed by the dozen: what is taken away before the data themselves are \
-- encrypted or deleted. Refused attempts count."""
-- false_positives = [
--   "somebody who saves money by removing old snapshots",
--   "a script of retention that runs with a user's key",
-- ]
-- runbook = """
-- 1. Is it still going on? Stop the credentials first: deactivate the key, or revoke the role's sessions.
-- 2. What exactly:
--    SELECT event_time, event_name, outcome, source_ip_address, request_parameters FROM events WHERE principal_key
--      = '<principal_key>' AND event_name IN ('DeleteSnapshot', 'DeregisterImage', 'DeleteDBSnapshot') ORDER BY
--      event_time
-- 3. What is left? Copy the remaining backups to another account now.
-- 4. What else did it do?
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- """
-- refs = ["AWS Backup Developer Guide: Deleting backups", "MITRE ATT&CK T1490 Inhibit System Recovery"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_name, outcome, coalesce(json_text(request_parameters, 'snapshotId'), json_text(request_parameters,
                     'imageId'), request_parameters) AS resource
FROM events
WHERE event_source IN ('ec2.amazonaws.com', 'rds.amazonaws.com', 'backup.amazonaws.com') AND NOT actor_is_service
  AND event_name IN ('DeleteSnapshot', 'DeregisterImage', 'DeleteDBSnapshot', 'DeleteDBClusterSnapshot',
                     'DeleteRecoveryPoint', 'DeleteBackupVault')
  AND principal_class NOT IN ('lambda', 'ecs_task', 'eks_pod', 'ec2_instance', 'aws_service_role')
