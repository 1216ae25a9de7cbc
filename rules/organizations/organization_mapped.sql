-- +++
-- title = "{principal_name} mapped the organisation from {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "20m"
-- having = ["distinct(event_name) >= 5"]
-- attack = ["T1580", "T1087.004"]
-- cis = []
-- why = """
-- Accounts, units, policies, delegates, one after the other and not in the console: somebody looks for the next \
-- account. From a member account most of it is refused; the attempt counts."""
-- false_positives = ["a landing-zone pipeline or an inventory, which does so daily"]
-- runbook = """
-- 1. What else did it do?
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Did it assume roles in other accounts afterwards?
--    SELECT event_time, request_role_arn, outcome FROM events WHERE principal_key = '<principal_key>' AND
--      event_name = 'AssumeRole' ORDER BY event_time
-- """
-- refs = ["AWS Organizations User Guide: Logging and monitoring in AWS Organizations"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, event_name, outcome
FROM events
WHERE event_source = 'organizations.amazonaws.com' AND NOT actor_is_service
  AND session_credential_from_console IS NOT TRUE AND principal_class <> 'ci'
  AND regexp_like(event_name, '^(Describe|List)')
