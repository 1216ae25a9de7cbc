-- +++
-- title = "Key {access_key} of {principal_name} is used from {new_networks} in between its usual calls, by another client"
-- severity = "high"
-- severity_if = { "address = a workplace" = "low" }
-- status = "stable"
-- kind = "query"
-- entity = ["access_key"]
-- every = "1d"
-- over = "31d"
-- attack = ["T1078.004", "T1552.001"]
-- cis = []
-- why = """
-- Calls from a new network that alternate with the ones from where the key has always been used, and come from another \
-- client, are a second holder: who only moves leaves the old place behind (few changes between the two), and whose \
-- network is rewritten (another address, IPv6) keeps the client. The measure is the runs test of Wald and Wolfowitz. Where \
-- people of the directory work at the new address on the same day, the second holder is rather the owner's second computer."""
-- false_positives = [
--   "a key that a colleague or a new service was given: shared on purpose, and still to be replaced by one for each",
--   "somebody who begins to use a second computer by way of another network",
-- ]
-- runbook = """
-- 1. Who is where:
--    SELECT source_network, user_agent_family, user_agent_os, count(*), min(event_time), max(event_time) FROM events
--      WHERE user_identity_access_key_id = '<access_key>' GROUP BY 1, 2, 3 ORDER BY 5
-- 2. Ask the owner for the new place. Unknown: deactivate the key, and read what was done from there:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE
--      user_identity_access_key_id = '<access_key>' AND source_network = '<new network>' ORDER BY event_time
-- 3. Known: one key, better one role, for each holder; deactivate this one.
-- """
-- refs = [
--   "AWS Well-Architected Framework: SEC02-BP02 Use temporary credentials",
--   "Wald, Wolfowitz: On a test whether two samples are from the same population, 1940",
-- ]
-- +++
-- Which keys have a network that joined in the last day beside older ones follows from the hourly counts.
WITH place AS (
  SELECT access_key_id AS access_key, source_network, min(first_time) >= $to - INTERVAL '2 days' AS is_new,
         min(min(first_time)) OVER key AS since, max(min(first_time)) OVER key AS newest,
         sum(sum(events) FILTER (WHERE event_hour < $to - INTERVAL '1 day')) OVER key AS before
  FROM activity
  WHERE event_hour BETWEEN $from AND $to AND NOT actor_is_service
  GROUP BY access_key_id, source_network
  WINDOW key AS (PARTITION BY access_key_id)
), workplace AS (
  SELECT DISTINCT source_ip_address
  FROM events
  WHERE event_time >= $to - INTERVAL '1 day' AND event_time < $to AND principal_class = 'human_sso' AND outcome <> 'failure'
), call AS (
  SELECT event_id, account_id, principal_key, principal_name, access_key, place.source_network, is_new,
         workplace.source_ip_address IS NOT NULL AS at_workplace,
         concat(coalesce(user_agent_family, '?'), ' on ', coalesce(user_agent_os, '?')) AS client,
         is_new <> lag(is_new) OVER (PARTITION BY access_key ORDER BY event_time, event_id) AS begins
  FROM events JOIN place
    ON user_identity_access_key_id = access_key AND events.source_network = place.source_network
   AND before >= 10 AND since < $to - INTERVAL '3 days' AND newest >= $to - INTERVAL '2 days'
  LEFT JOIN workplace ON events.source_ip_address = workplace.source_ip_address
  WHERE event_time >= $to - INTERVAL '1 day' AND event_time < $to AND source_kind = 'public' AND NOT actor_is_service
    AND outcome <> 'failure' AND NOT in_site('vpn', events.source_ip_address, event_time)
    AND NOT in_site('vendor_networks', events.source_network, event_time)
), holder AS (
  SELECT access_key, min(account_id) AS account_id, min(principal_key) AS principal_key,
         min(principal_name) AS principal_name,
         CAST(count(*) FILTER (WHERE is_new) AS DOUBLE) AS n, CAST(count(*) FILTER (WHERE NOT is_new) AS DOUBLE) AS m,
         1 + count(*) FILTER (WHERE begins) AS runs,
         array_agg(DISTINCT source_network ORDER BY source_network) FILTER (WHERE is_new) AS new_networks,
         array_agg(DISTINCT client ORDER BY client) FILTER (WHERE is_new) AS new_clients,
         array_agg(DISTINCT source_network ORDER BY source_network) FILTER (WHERE NOT is_new) AS known_networks,
         array_agg(DISTINCT client ORDER BY client) FILTER (WHERE NOT is_new) AS known_clients,
         bool_and(at_workplace) FILTER (WHERE is_new) AS at_workplace,
         array_agg(event_id) FILTER (WHERE is_new) AS event_ids
  FROM call GROUP BY access_key
)
SELECT access_key, account_id, principal_key, principal_name, array_to_string(new_networks, ', ') AS new_networks,
       new_clients, known_networks, known_clients, CAST(n AS BIGINT) AS new_calls, CAST(m AS BIGINT) AS known_calls,
       CASE WHEN at_workplace THEN 'a workplace' END AS address,
       runs, round(1 + 2 * n * m / (n + m), 1) AS runs_of_two_at_once, CAST(n AS BIGINT) AS count, event_ids
FROM holder
WHERE n >= 5 AND m >= 5 AND runs >= 6 AND NOT array_has_any(new_clients, known_clients)
  -- As many runs as two at once would make, or fewer by one standard deviation at most.
  AND runs - (1 + 2 * n * m / (n + m))
      > -sqrt(2 * n * m * (2 * n * m - n - m) / ((n + m) * (n + m) * (n + m - 1)))
