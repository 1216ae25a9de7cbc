-- +++
-- title = "Key {access_key} of {principal_name} serves several places at once, week after week: {networks}"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["access_key"]
-- every = "7d"
-- over = "28d"
-- attack = []
-- cis = []
-- why = """
-- A key that the same two or more networks use in the same hours for weeks is shared on purpose. Nobody can say who made \
-- a call with it, a theft hides among its holders, and to take it from one means to take it from all."""
-- false_positives = [
--   "one program that leaves the company by two lines at random: name them in the site's own networks",
-- ]
-- runbook = """
-- 1. Who holds it:
--    SELECT source_network, user_agent_family, count(DISTINCT event_date) AS days, sum(events) FROM activity WHERE
--      access_key_id = '<access_key>' GROUP BY 1, 2 ORDER BY 4 DESC
-- 2. Give each a role of its own (IAM Roles Anywhere for machines elsewhere), or at least a key of its own.
-- 3. Deactivate this one, wait a week, delete it.
-- """
-- refs = ["AWS Well-Architected Framework: SEC02-BP02 Use temporary credentials"]
-- +++
WITH hour AS (
  SELECT access_key, network AS source_network, event_hour, event_date, sum(events) AS calls,
         min(account_id) AS account_id, min(principal_key) AS principal_key, min(principal_name) AS principal_name
  FROM (
    -- The lines of one company are one place.
    SELECT access_key_id AS access_key, event_hour, event_date, events, account_id, principal_key, principal_name,
           CASE WHEN in_site('own_networks', source_network, event_hour) THEN 'own networks' ELSE source_network END AS network
    FROM activity
    WHERE event_hour >= $from AND event_hour < $to AND NOT actor_is_service AND outcome <> 'failure'
  )
  GROUP BY access_key, network, event_hour, event_date
), place AS (
  SELECT access_key, source_network, count(*) AS hours, CAST(sum(calls) AS DOUBLE) AS n,
         min(account_id) AS account_id, min(principal_key) AS principal_key, min(principal_name) AS principal_name
  FROM hour GROUP BY access_key, source_network HAVING count(DISTINCT event_date) >= 10
), holder AS (
  SELECT access_key, min(account_id) AS account_id, min(principal_key) AS principal_key,
         min(principal_name) AS principal_name, min(hours) AS hours_of_least, sum(n) AS calls,
         array_agg(source_network ORDER BY source_network) AS networks,
         exp(ln(sum(n)) - sum(n * ln(n)) / sum(n)) AS effective_places
  FROM place GROUP BY access_key
), kind AS (
  SELECT place.access_key, place.source_network, bool_or(source_ip_address NOT LIKE '%:%') AS has_older,
         bool_or(source_ip_address LIKE '%:%') AS has_newer
  FROM place LEFT JOIN events
    ON user_identity_access_key_id = access_key
   AND CASE WHEN in_site('own_networks', events.source_network, event_time) THEN 'own networks' ELSE events.source_network END
       = place.source_network
   AND event_time >= $from AND event_time < $to AND source_kind = 'public'
  GROUP BY place.access_key, place.source_network
), together AS (
  -- A program has an address of each kind where it is, perhaps by another provider, and an endpoint: so the kinds are counted apart.
  SELECT access_key, event_hour,
         greatest(count(*) FILTER (WHERE has_older), count(*) FILTER (WHERE has_newer),
                  count(*) FILTER (WHERE source_network LIKE 'vpce:%')) AS places
  FROM hour JOIN kind USING (access_key, source_network)
  GROUP BY access_key, event_hour
), shared AS (
  SELECT access_key, count(*) FILTER (WHERE places >= 2) AS hours_together FROM together GROUP BY access_key
)
SELECT access_key, account_id, principal_key, principal_name, array_to_string(networks, ', ') AS networks,
       hours_together, round(effective_places, 1) AS effective_places, CAST(calls AS BIGINT) AS count
FROM shared JOIN holder USING (access_key)
-- Who moves between two places is in both in a few of the hours.
WHERE hours_together >= 20 AND hours_together * 2 >= hours_of_least
