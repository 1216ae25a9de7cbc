-- +++
-- title = "{principal_name} made {resource} of {account_id} public"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "resource"]
-- attack = ["T1537"]
-- cis = []
-- why = """
-- Everybody with an AWS account can now copy the disk, with all the keys and data on it. Scanners copy new public \
-- snapshots within minutes."""
-- false_positives = ["images that are published on purpose"]
-- runbook = """
-- 1. Take the permission back, and consider what was on the disk as read.
-- 2. Who shared what else:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_name IN ('ModifySnapshotAttribute',
--      'ModifyImageAttribute') AND principal_key = '<principal_key>' ORDER BY event_time
-- 3. Turn on block public access for snapshots and images.
-- """
-- refs = [
--   "Amazon EC2 User Guide: Share an Amazon EBS snapshot with other AWS accounts",
--   "Amazon EC2 User Guide: Make your AMI publicly available",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       coalesce(json_text(request_parameters, 'snapshotId'), json_text(request_parameters, 'imageId')) AS resource
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('ModifySnapshotAttribute', 'ModifyImageAttribute')
  AND regexp_like(coalesce(json_text(request_parameters, 'createVolumePermission', 'add'),
                           json_text(request_parameters, 'launchPermission', 'add')), '"group"\s*:\s*"all"')
