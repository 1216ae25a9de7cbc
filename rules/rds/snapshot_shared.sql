-- +++
-- title = "{principal_name} shared database snapshot {snapshot} of {account_id} with another account"
-- severity = "medium"
-- severity_if = { "accounts = known" = "low" }
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "snapshot"]
-- attack = ["T1537"]
-- cis = []
-- why = "Another account can restore the whole database from it."
-- false_positives = ["a backup account of the same organisation"]
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
                json_text(request_parameters, 'dBClusterSnapshotIdentifier')) AS snapshot,
       CASE WHEN outside_site('own_accounts', outside_site('vendors', regexp_replace(json_text(request_parameters, 'valuesToAdd'), '[^0-9]+', ',', 'g'), event_time), event_time) IS NULL
            THEN 'known' END AS accounts
FROM events
WHERE event_source = 'rds.amazonaws.com' AND event_name IN ('ModifyDBSnapshotAttribute', 'ModifyDBClusterSnapshotAttribute')
  AND outcome = 'success' AND NOT actor_is_service
  AND regexp_like(json_text(request_parameters, 'valuesToAdd'), '"[0-9]{12}"')
