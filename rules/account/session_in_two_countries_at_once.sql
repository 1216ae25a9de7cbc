-- +++
-- title = "A session of {session_name} works from {new_countries}, from where its owner does not"
-- severity = "medium"
-- status = "stable"
-- kind = "query"
-- entity = ["principal_key", "session_name", "session_begin"]
-- every = "1d"
-- over = "31d"
-- attack = ["T1539", "T1078.004"]
-- cis = []
-- why = """
-- A session at Identity Center belongs to one browser or one command line. A journey takes it to another country, but its \
-- owner is not back within four hours; calls from there in between calls from here are a second holder of the \
-- cookie or of the cached key, even with the same client. Networks in which somebody of the directory has worked \
-- before are left out, so a provider of virtual networks is told of once. Needs a GeoIP file."""
-- false_positives = ["a virtual private network that is switched on for a while, the first time that it is used"]
-- runbook = """
-- 1. What was done from there, and what by the owner meanwhile:
--    SELECT event_time, source_ip_address, source_country, source_as_org, user_agent, event_name, outcome FROM events WHERE
--      principal_key = '<principal_key>' AND session_name = '<session_name>' ORDER BY event_time
-- 2. Ask the person, by telephone, whether they used a virtual network.
-- 3. Not theirs: end the person's sessions in the directory, revoke the role's (a deny on aws:TokenIssueTime), look for how
--    the session was taken.
-- """
-- refs = [
--   "MITRE ATT&CK T1539 Steal Web Session Cookie",
--   "IAM User Guide: Revoke IAM role temporary security credentials",
-- ]
-- +++
WITH place AS (
  SELECT source_network, min(first_time) >= $to - INTERVAL '2 days' AS is_new, min(min(first_time)) OVER () AS since
  FROM activity
  WHERE event_hour BETWEEN $from AND $to AND principal_class = 'human_sso'
  GROUP BY source_network
), call AS (
  SELECT event_id, event_time, account_id, principal_key, principal_name, session_name, session_creation_date,
         events.source_network, source_country, is_new
  FROM events JOIN place ON events.source_network = place.source_network AND since < $to - INTERVAL '9 days'
  WHERE event_time >= $to - INTERVAL '1 day' AND event_time < $to AND source_country IS NOT NULL
    AND principal_class = 'human_sso'
    AND user_agent NOT LIKE '%exec-env/CloudShell%' AND NOT in_site('vpn', source_ip_address, event_time)
), session AS (
  SELECT principal_key, session_name, CAST(session_creation_date AS VARCHAR) AS session_begin,
         min(account_id) AS account_id, min(principal_name) AS principal_name,
         min(event_time) FILTER (WHERE NOT is_new) AS first_known,
         min(event_time) FILTER (WHERE is_new) AS first_new, count(*) FILTER (WHERE is_new) AS count,
         array_agg(DISTINCT source_country ORDER BY source_country) FILTER (WHERE is_new) AS new_countries,
         array_agg(DISTINCT source_country ORDER BY source_country) FILTER (WHERE NOT is_new) AS known_countries,
         array_agg(DISTINCT source_network ORDER BY source_network) FILTER (WHERE is_new) AS new_networks,
         array_agg(event_id) FILTER (WHERE is_new) AS event_ids
  FROM call
  GROUP BY principal_key, session_name, session_creation_date
), back AS (
  -- In this session or in another one of the person. Records that name no session join nothing.
  SELECT session.principal_key, session.session_name, session_begin, min(event_time) AS back
  FROM session JOIN call ON call.session_name = session.session_name AND NOT is_new AND event_time > first_new
  GROUP BY session.principal_key, session.session_name, session_begin
)
SELECT principal_key, session_name, session_begin, account_id, principal_name,
       array_to_string(new_countries, ', ') AS new_countries, known_countries, new_networks, count, event_ids
FROM session JOIN back USING (principal_key, session_name, session_begin)
WHERE count >= 3 AND first_known < first_new AND back < first_new + INTERVAL '4 hours'
  AND NOT array_has_any(new_countries, known_countries)
