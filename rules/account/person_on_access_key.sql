-- +++
-- title = "{principal_name} works by hand with a long-term key, {access_key}"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["access_key"]
-- every = "28d"
-- over = "28d"
-- attack = []
-- cis = ["1.4.0/1.14"]
-- why = """
-- It is used on working days, at waking hours, for many different things: that is a person, not a program. A person has no \
-- need of a key that lasts for ever in a file: signing in gives one that ends in hours, and asks for a second factor."""
-- false_positives = ["a build server that only builds when people work, and does many things"]
-- runbook = """
-- 1. What does it do, at which hours:
--    SELECT date_part('hour', event_hour) AS hour, event_source, event_name, source_network, sum(events) FROM activity WHERE
--      access_key_id = '<access_key>' GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC
-- 2. Have its owner sign in through the directory (aws sso login, or aws login), then deactivate the key.
-- """
-- refs = ["AWS Well-Architected Framework: SEC02-BP02 Use temporary credentials", "AWS Well-Architected Framework: SEC02-BP04 Rely on a centralized identity provider"]
-- +++
WITH key AS (
  SELECT access_key_id AS access_key, min(account_id) AS account_id, min(principal_key) AS principal_key,
         min(principal_name) AS principal_name, sum(events) AS calls, count(DISTINCT event_hour) AS hours,
         count(DISTINCT event_date) AS days, count(DISTINCT date_part('hour', event_hour)) AS hours_of_day,
         count(DISTINCT CASE WHEN date_part('dow', event_date) IN (0, 6) THEN event_date END) AS weekend_days,
         count(DISTINCT concat(event_source, ' ', event_name)) AS kinds_of_calls
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to AND NOT actor_is_service
  GROUP BY access_key_id
)
SELECT access_key, account_id, principal_key, principal_name, days, hours_of_day, kinds_of_calls,
       CAST(calls AS BIGINT) AS count
FROM key
-- Whole weeks of working days, nights that are free, and the variety of somebody who looks, tries and mends.
WHERE days >= 5 AND weekend_days * 10 <= days AND hours_of_day <= 14 AND hours >= 10 AND kinds_of_calls >= 12
