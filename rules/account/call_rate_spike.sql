-- +++
-- title = "{event_name} is called in {account_id} far more often than usual"
-- severity = "low"
-- status = "stable"
-- kind = "spike"
-- entity = ["account_id", "aws_region", "event_source", "event_name"]
-- bucket = "10m"
-- measure = "count"
-- season = "none"
-- history = "28d"
-- p_below = 1e-06
-- at_least = 40
-- ratio = 8.0
-- attack = ["T1496", "T1485", "T1499"]
-- cis = []
-- why = """
-- The rate at which an account makes, changes and deletes things has its rhythm. A burst far outside it is a \
-- deployment, a loop gone wild, or somebody in a hurry."""
-- false_positives = ["a deployment, a migration, a load test"]
-- runbook = """
-- 1. Who makes these calls:
--    SELECT principal_key, source_network, user_agent, outcome, count(*) FROM events WHERE account_id =
--      '<account_id>' AND event_name = '<event_name>' GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC
-- 2. Is there a deployment going on?
-- 3. Unknown: stop the credentials.
-- """
-- refs = ["AWS CloudTrail User Guide: Working with CloudTrail Insights"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_source, event_name
FROM events
WHERE read_only = false AND management_event AND NOT actor_is_service AND event_type = 'AwsApiCall'
  AND outcome <> 'denied'
