-- +++
-- title = "{principal_name} made database snapshot {snapshot} in {account_id} and shared it at once"
-- severity = "high"
-- status = "stable"
-- kind = "sequence"
-- entity = ["principal_key", "snapshot"]
-- steps = ["made", "shared"]
-- within = "24h"
-- attack = ["T1537", "T1578.001"]
-- cis = []
-- why = """
-- A database copied and handed to another account within a day: the whole of it leaves without a byte passing \
-- the network."""
-- false_positives = [
--   "a migration between accounts of the organisation",
--   "a backup that is copied to an account of its own",
-- ]
-- runbook = """
-- 1. With whom:
--    SELECT event_time, event_name, request_parameters, source_ip_address FROM events WHERE principal_key =
--      '<principal_key>' AND event_source = 'rds.amazonaws.com' AND read_only = false ORDER BY event_time
-- 2. Is the account one of yours? If not: take the sharing back, treat every row as read.
-- 3. Was the snapshot encrypted with a key that was shared, too?
-- """
-- refs = ["Amazon RDS User Guide: Sharing a DB snapshot", "MITRE ATT&CK T1537 Transfer Data to Cloud Account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_name, request_parameters,
       coalesce(json_text(request_parameters, 'dBSnapshotIdentifier'),
                json_text(request_parameters, 'dBClusterSnapshotIdentifier')) AS snapshot,
       CASE WHEN event_name IN ('CreateDBSnapshot', 'CreateDBClusterSnapshot') THEN 'made' ELSE 'shared' END AS step
FROM events
WHERE event_source = 'rds.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name IN ('CreateDBSnapshot', 'CreateDBClusterSnapshot')
       OR (event_name IN ('ModifyDBSnapshotAttribute', 'ModifyDBClusterSnapshotAttribute')
           AND regexp_like(json_text(request_parameters, 'valuesToAdd'), '"(all|[0-9]{12})"')))
