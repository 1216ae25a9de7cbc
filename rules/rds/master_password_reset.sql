-- +++
-- title = "{principal_name} set the master password of {database} in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "database"]
-- attack = ["T1098", "T1555"]
-- cis = []
-- why = "Who sets the master password reads the whole database, and the owner is locked out."
-- false_positives = ["a rotation by hand; infrastructure code that sets the password"]
-- runbook = """
-- 1. Did the owner ask for it?
-- 2. Was the database restored from a snapshot or opened to the world around it:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_source = 'rds.amazonaws.com' AND
--      principal_key = '<principal_key>' AND NOT read_only ORDER BY event_time
-- 3. Let RDS manage it in Secrets Manager.
-- """
-- refs = ["Amazon RDS User Guide: Password management with Amazon RDS and AWS Secrets Manager"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       coalesce(json_text(request_parameters, 'dBInstanceIdentifier'), json_text(request_parameters, 'dBClusterIdentifier')) AS database
FROM events
WHERE event_source = 'rds.amazonaws.com' AND event_name IN ('ModifyDBInstance', 'ModifyDBCluster')
  AND outcome = 'success' AND NOT actor_is_service
  AND json_text(request_parameters, 'masterUserPassword') IS NOT NULL
