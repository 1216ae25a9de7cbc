-- +++
-- title = "{principal_name} of {account_id} is a person at the console and a program at once"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["principal_key"]
-- every = "28d"
-- over = "28d"
-- attack = []
-- cis = ["1.4.0/1.11", "1.4.0/1.15"]
-- why = """
-- A key of this user works around the clock, and somebody signs in to the console as the same user. Nobody can tell the two \
-- apart in a log, the program has the rights of the person, and the person's departure stops the program."""
-- false_positives = ["an administrator who signs in as the program's user once, to mend it: it should not have a password"]
-- runbook = """
-- 1. What each of them does:
--    SELECT access_key_id, event_source, event_name, source_network, sum(events) FROM activity WHERE principal_key =
--      '<principal_key>' GROUP BY 1, 2, 3, 4 ORDER BY 5 DESC
-- 2. Give the program a role, the person an identity in the directory; take the user's password and key away.
-- """
-- refs = ["AWS Well-Architected Framework: SEC03-BP01 Define access requirements"]
-- +++
WITH hour AS (
  SELECT principal_key, event_date, event_hour, min(account_id) AS account_id, min(principal_name) AS principal_name,
         sum(events) AS calls
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to AND access_key_id IS NOT NULL AND NOT actor_is_service
  GROUP BY principal_key, event_date, event_hour
), day AS (
  SELECT principal_key, event_date, count(*) AS hours, min(account_id) AS account_id, min(principal_name) AS principal_name,
         sum(calls) AS calls
  FROM hour GROUP BY principal_key, event_date
), program AS (
  SELECT principal_key, min(account_id) AS account_id, min(principal_name) AS principal_name, sum(calls) AS calls,
         count(*) AS days, count(*) FILTER (WHERE date_part('dow', event_date) IN (0, 6)) AS weekend_days
  FROM day WHERE hours >= 7
  GROUP BY principal_key
), person AS (
  SELECT principal_key, count(DISTINCT event_date) AS days_at_console
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to AND event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin'
    AND outcome = 'success'
  GROUP BY principal_key
)
SELECT principal_key, account_id, principal_name, days, days_at_console, CAST(calls AS BIGINT) AS count
FROM program JOIN person USING (principal_key)
WHERE days >= 5 AND weekend_days >= 1
