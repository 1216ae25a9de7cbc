-- +++
-- title = "{principal_name} tried to assume several roles and was refused"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key"]
-- window = "1h"
-- having = ["distinct(wanted) >= 5"]
-- attack = ["T1087.004", "T1548.005"]
-- cis = []
-- why = """
-- Whoever may assume a role knows which. Five different roles refused within an hour: names are being guessed, \
-- or a list is being tried, to find one that opens."""
-- false_positives = ["a new pipeline whose trust is not in place in any account yet"]
-- runbook = """
-- 1. Which roles, and did one open:
--    SELECT event_time, request_role_arn, outcome, error_message, source_ip_address FROM events WHERE
--      principal_key = '<principal_key>' AND event_name = 'AssumeRole' ORDER BY event_time
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: deactivate the credentials; look at what the roles that opened did.
-- """
-- refs = ["IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_role_arn,
       coalesce(request_role_arn, error_message) AS wanted
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name = 'AssumeRole' AND outcome = 'denied' AND NOT actor_is_service
