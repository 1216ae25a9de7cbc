-- +++
-- title = "{principal_name} reads far more from S3 in {account_id} than usual"
-- severity = "medium"
-- status = "stable"
-- kind = "spike"
-- entity = ["principal_key"]
-- bucket = "1h"
-- measure = "sum(kilobytes)"
-- season = "none"
-- history = "28d"
-- p_below = 1e-06
-- at_least = 1000000
-- ratio = 10.0
-- attack = ["T1530", "T1537"]
-- cis = []
-- why = """
-- A gigabyte or more within an hour, ten times what this identity reads otherwise: data are being carried away, \
-- or a job is new. Needs data events of S3."""
-- false_positives = ["a new or repeated job, a restore"]
-- runbook = """
-- 1. Which buckets, to where:
--    SELECT request_bucket_name, source_network, source_country, user_agent, count(*) FROM events WHERE
--      principal_key = '<principal_key>' AND event_name = 'GetObject' GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: stop the credentials; take what was read for known.
-- """
-- refs = ["Amazon S3 User Guide: Amazon S3 CloudTrail events", "MITRE ATT&CK T1530 Data from Cloud Storage"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_bucket_name,
       TRY_CAST(json_text(additional_event_data, 'bytesTransferredOut') AS DOUBLE) / 1000 AS kilobytes
FROM events
WHERE event_source = 's3.amazonaws.com' AND event_name = 'GetObject' AND NOT actor_is_service
