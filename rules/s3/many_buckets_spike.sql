-- +++
-- title = "{principal_name} goes through many buckets of {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "spike"
-- entity = ["principal_key"]
-- bucket = "1h"
-- measure = "distinct(request_bucket_name)"
-- season = "none"
-- history = "28d"
-- p_below = 1e-06
-- at_least = 10
-- ratio = 5.0
-- attack = ["T1619", "T1530", "T1580"]
-- cis = []
-- why = """
-- An identity that works on one or two buckets looks into ten and more within the hour: it is searching. Refused \
-- calls count."""
-- false_positives = ["an inventory that runs seldom", "somebody who looks for a lost file"]
-- runbook = """
-- 1. Which buckets, and was anything read:
--    SELECT request_bucket_name, event_name, outcome, count(*) FROM events WHERE principal_key = '<principal_key>'
--      AND event_source = 's3.amazonaws.com' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: stop the credentials.
-- """
-- refs = ["MITRE ATT&CK T1619 Cloud Storage Object Discovery"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_name, request_bucket_name, outcome
FROM events
WHERE event_source = 's3.amazonaws.com' AND NOT actor_is_service AND session_credential_from_console IS NOT TRUE
