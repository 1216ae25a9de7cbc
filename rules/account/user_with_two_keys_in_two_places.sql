-- +++
-- title = "User {principal_name} has two keys at work at once, week after week, each in a place of its own: {networks}"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["principal_key"]
-- every = "7d"
-- over = "28d"
-- attack = []
-- cis = []
-- why = """
-- A user may have two keys so that one can follow the other. Two that are in use in the same hours for weeks, in networks \
-- that the other is never in, are two holders of one user: nobody can say who it was, and neither key is ever rotated, since \
-- there is no third."""
-- false_positives = [
--   "one program in two places that is given its new key in one of them first, and weeks later in the other",
-- ]
-- runbook = """
-- 1. Which key is where, and what does it do:
--    SELECT access_key_id, source_network, user_agent_family, count(DISTINCT event_date) AS days, sum(events) FROM activity WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 1, 5 DESC
-- 2. Give each holder a role of its own (IAM Roles Anywhere for machines elsewhere), or at least a user of its own.
-- 3. Deactivate the one that is less needed, wait a week, delete it.
-- """
-- refs = ["AWS Well-Architected Framework: SEC02-BP02 Use temporary credentials", "IAM User Guide: Update access keys"]
-- +++
WITH hour AS (
  SELECT principal_key, access_key, network AS source_network, event_hour, event_date, sum(events) AS calls,
         min(account_id) AS account_id, min(principal_name) AS principal_name
  FROM (
    -- The lines of one company are one place.
    SELECT principal_key, access_key_id AS access_key, event_hour, event_date, events, account_id, principal_name,
           CASE WHEN in_site('own_networks', source_network, event_hour) THEN 'own networks' ELSE source_network END AS network
    FROM activity
    WHERE event_hour >= $from AND event_hour < $to AND NOT actor_is_service AND outcome <> 'failure'
  )
  GROUP BY principal_key, access_key, network, event_hour, event_date
), place AS (
  SELECT principal_key, access_key, source_network
  FROM hour GROUP BY principal_key, access_key, source_network HAVING count(DISTINCT event_date) >= 10
), at_work AS (
  -- In its usual places.
  SELECT principal_key, access_key, event_hour, sum(calls) AS calls, min(account_id) AS account_id,
         min(principal_name) AS principal_name, array_agg(source_network) AS networks
  FROM hour JOIN place USING (principal_key, access_key, source_network)
  GROUP BY principal_key, access_key, event_hour
), key AS (
  SELECT principal_key, access_key, count(*) AS hours, CAST(sum(calls) AS BIGINT) AS calls, min(account_id) AS account_id,
         min(principal_name) AS principal_name, array_sort(array_distinct(flatten(array_agg(networks)))) AS networks
  FROM at_work
  GROUP BY principal_key, access_key
), together AS (
  SELECT one.principal_key, one.access_key AS one, other.access_key AS other, count(*) AS hours
  FROM at_work AS one JOIN at_work AS other
    ON one.principal_key = other.principal_key AND one.event_hour = other.event_hour AND one.access_key < other.access_key
  GROUP BY one.principal_key, one.access_key, other.access_key
)
SELECT one.principal_key, one.account_id, one.principal_name,
       concat(array_to_string(one.networks, ', '), ' and ', array_to_string(other.networks, ', ')) AS networks,
       together.hours AS hours_together, one.calls + other.calls AS count
FROM together
  JOIN key AS one ON one.principal_key = together.principal_key AND one.access_key = together.one
  JOIN key AS other ON other.principal_key = together.principal_key AND other.access_key = together.other
WHERE together.hours >= 20 AND together.hours * 2 >= least(one.hours, other.hours)
  AND NOT array_has_any(one.networks, other.networks)
