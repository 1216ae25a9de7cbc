-- +++
-- title = "{principal_name} goes through the regions of {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "spike"
-- entity = ["principal_key"]
-- bucket = "1h"
-- measure = "distinct(aws_region)"
-- season = "none"
-- history = "28d"
-- p_below = 1e-06
-- at_least = 7
-- ratio = 4.0
-- attack = ["T1580", "T1535"]
-- cis = []
-- why = """
-- Work has its one or two regions. An identity that goes through seven and more within an hour, and never did, \
-- is looking for what there is, or for a place where nobody looks. Refused calls count."""
-- false_positives = ["an inventory that runs seldom", "guardrails that are set in all regions"]
-- runbook = """
-- 1. What was asked there:
--    SELECT aws_region, event_name, outcome, count(*) FROM events WHERE principal_key = '<principal_key>' GROUP BY
--      1, 2, 3 ORDER BY 4 DESC
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: stop the credentials; look for machines in every region.
-- """
-- refs = ["MITRE ATT&CK T1535 Unused/Unsupported Cloud Regions"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_source, event_name, outcome
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND NOT actor_is_service AND session_credential_from_console IS NOT TRUE
