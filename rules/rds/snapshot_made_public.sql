-- +++
-- title = "{principal_name} made database snapshot {snapshot} of {account_id} public"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "snapshot"]
-- attack = ["T1537"]
-- cis = []
-- why = "Everybody with an AWS account can restore the database."
-- false_positives = ["sample data that is published on purpose"]
-- runbook = """
-- 1. Whom was it given to:
--    SELECT request_parameters FROM events WHERE event_id = '<event_id>'
-- 2. Was it made just before:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_source = 'rds.amazonaws.com' AND
--      principal_key = '<principal_key>' AND NOT read_only ORDER BY event_time
-- 3. Take it back, and treat the data as read.
-- """
-- refs = ["Amazon RDS User Guide: Sharing a DB snapshot"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       coalesce(json_text(request_parameters, 'dBSnapshotIdentifier'),
                json_text(request_parameters, 'dBClusterSnapshotIdentifier')) AS snapshot
FROM events
WHERE event_source = 'rds.amazonaws.com' AND event_name IN ('ModifyDBSnapshotAttribute', 'ModifyDBClusterSnapshotAttribute')
  AND outcome = 'success' AND NOT actor_is_service
  AND regexp_like(json_text(request_parameters, 'valuesToAdd'), '"all"')
