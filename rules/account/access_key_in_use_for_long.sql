-- +++
-- title = "Key {access_key} of {principal_name} has been in use for {days} days"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["access_key"]
-- every = "28d"
-- over = "140d"
-- attack = []
-- cis = ["1.4.0/1.14"]
-- why = """
-- A key is as old as its oldest copy: the laptop that was sold, the build log, the colleague who left. After ninety days it \
-- should have been replaced; better, there should be a role in its place."""
-- false_positives = ["a supplier that cannot change its key: write down why, and limit where it works from"]
-- runbook = """
-- 1. Who works with it, from where:
--    SELECT source_network, user_agent_family, event_source, sum(events), max(last_time) FROM activity WHERE access_key_id =
--      '<access_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 2. Give it a role; else make a second key, bring it to where the first is, deactivate the first, wait, delete it.
-- """
-- refs = ["AWS Well-Architected Framework: SEC02-BP05 Audit and rotate credentials periodically", "AWS Security Hub User Guide: IAM.3 IAM users' access keys should be rotated every 90 days or less"]
-- +++
WITH key AS (
  SELECT access_key_id AS access_key, min(account_id) AS account_id, min(principal_key) AS principal_key,
         min(principal_name) AS principal_name, min(first_time) AS first_time, max(last_time) AS last_time,
         sum(events) AS calls
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to AND NOT actor_is_service
  GROUP BY access_key_id
)
SELECT access_key, account_id, principal_key, principal_name,
       CAST((date_part('epoch', last_time) - date_part('epoch', first_time)) / 86400 AS BIGINT) AS days,
       CAST(calls AS BIGINT) AS count
FROM key
WHERE last_time >= $to - INTERVAL '28 days' AND first_time <= last_time - INTERVAL '90 days'
