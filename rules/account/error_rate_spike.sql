-- +++
-- title = "{event_name} fails with {error_code} in {account_id} far more often than usual"
-- severity = "low"
-- status = "stable"
-- kind = "spike"
-- entity = ["account_id", "aws_region", "event_source", "event_name", "error_code"]
-- bucket = "10m"
-- measure = "count"
-- season = "none"
-- history = "28d"
-- p_below = 1e-06
-- at_least = 40
-- ratio = 8.0
-- attack = ["T1580", "T1499"]
-- cis = []
-- why = """
-- Errors have a rhythm, too. A burst of one error is a program that is broken, or a list of names that is being \
-- tried out. Throttling says nothing and is left out."""
-- false_positives = ["a broken deployment"]
-- runbook = """
-- 1. Whose calls fail, and why:
--    SELECT principal_key, source_network, error_message, count(*) FROM events WHERE account_id = '<account_id>'
--      AND event_name = '<event_name>' AND error_code = '<error_code>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 2. Different names in the messages: enumeration. Always the same: a program.
-- 3. Unknown caller: stop the credentials.
-- """
-- refs = ["AWS CloudTrail User Guide: Working with CloudTrail Insights"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_source, event_name, error_code, error_message
FROM events
WHERE NOT actor_is_service
  AND NOT regexp_like(error_code, '(?i)throttl|limitexceeded|slowdown|toomanyrequests')
