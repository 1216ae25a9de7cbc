-- +++
-- title = "{person} was in two places that are too far apart"
-- severity = "medium"
-- severity_if = { "system = macos" = "low", "system = windows" = "low", "system = linux" = "low" }
-- status = "stable"
-- kind = "travel"
-- entity = ["person"]
-- place = ["source_lat", "source_lon"]
-- speed_kmh = 900
-- distance_km = 500
-- attack = ["T1078.004"]
-- cis = []
-- why = """
-- Nobody travels faster than an aeroplane. Two places within the hour are two people with one identity, or a way \
-- through somebody else's network: mostly the latter where both ends signed in through the directory and have one system. \
-- Needs a GeoIP file."""
-- false_positives = [
--   "a virtual private network or a mobile network whose exit lies elsewhere",
--   "an address that the GeoIP file has in the wrong place",
-- ]
-- runbook = """
-- 1. Which addresses, whose networks:
--    SELECT event_time, source_ip_address, source_country, source_as_org, user_agent, event_name, outcome FROM
--      events WHERE session_name = '<person>' OR principal_key = '<person>' ORDER BY event_time DESC LIMIT 100
-- 2. A provider of virtual networks or a hoster at one end: ask the person which they use.
-- 3. Not theirs: revoke the sessions in the directory and in AWS; look at what came from the far place.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       person(session_name, user_identity_type, user_identity_user_name, additional_event_data, principal_key)
         AS person, source_country,
       source_as_org, source_lat, source_lon, event_name,
       CASE WHEN principal_class = 'human_sso' THEN user_agent_os END AS system
FROM events
WHERE principal_class IN ('human', 'human_sso', 'human_iam_user', 'root') AND outcome <> 'failure'
  -- CloudShell runs at Amazon, in whatever region.
  AND (user_agent IS NULL OR user_agent NOT LIKE '%exec-env/CloudShell%')
  AND NOT in_site('vpn', source_ip_address, event_time)
