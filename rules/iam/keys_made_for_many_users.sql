-- +++
-- title = "{principal_name} makes access keys for one user after the other in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "2h"
-- having = ["distinct(request_user_name) >= 3"]
-- attack = ["T1098.001", "T1136.003"]
-- cis = []
-- why = """
-- Keys for three users or more within the hour: somebody gathers doors to come back through. Refused attempts \
-- count, since going through the list is the news."""
-- false_positives = ["a pipeline that renews the keys of programs"]
-- runbook = """
-- 1. For whom, and what worked:
--    SELECT event_time, request_user_name, response_access_key_id, outcome, source_ip_address FROM events WHERE
--      principal_key = '<principal_key>' AND event_name = 'CreateAccessKey' ORDER BY event_time
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: deactivate every one of the keys, then the maker's credentials.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1098.001 Additional Cloud Credentials",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       request_user_name, response_access_key_id, outcome
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'CreateAccessKey' AND NOT actor_is_service
