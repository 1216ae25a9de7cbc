-- +++
-- title = "{principal_name} made a snapshot in {account_id} and shared it at once"
-- severity = "high"
-- status = "stable"
-- kind = "sequence"
-- entity = ["principal_key", "snapshot"]
-- steps = ["made", "shared"]
-- within = "24h"
-- attack = ["T1537", "T1578.001"]
-- cis = []
-- why = """
-- A disk copied and handed to another account within a day: the copy was made to be handed over. No data passes \
-- the network of the account, so nothing else sees it."""
-- false_positives = [
--   "a migration between accounts of the organisation",
--   "a backup that is copied to an account of its own",
-- ]
-- runbook = """
-- 1. With whom, and which disk:
--    SELECT event_time, event_name, request_parameters, source_ip_address FROM events WHERE principal_key =
--      '<principal_key>' AND event_name IN ('CreateSnapshot', 'CopySnapshot', 'ModifySnapshotAttribute') ORDER BY
--      event_time
-- 2. Is the account one of yours? If not: take the sharing back, treat everything on the disk as read.
-- 3. Secrets on the disk are known now: change them.
-- """
-- refs = [
--   "Amazon EC2 User Guide: Share an Amazon EBS snapshot with other AWS accounts",
--   "MITRE ATT&CK T1537 Transfer Data to Cloud Account",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_name, request_parameters,
       coalesce(json_text(response_elements, 'snapshotId'), json_text(request_parameters, 'snapshotId')) AS snapshot,
       CASE event_name WHEN 'ModifySnapshotAttribute' THEN 'shared' ELSE 'made' END AS step
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name IN ('CreateSnapshot', 'CopySnapshot')
       OR (event_name = 'ModifySnapshotAttribute'
           AND json_text(request_parameters, 'createVolumePermission', 'add') IS NOT NULL))
