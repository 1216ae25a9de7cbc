-- +++
-- title = """
-- {principal_name} of {account_id} was asked for a second factor from {networks}, where they never signed in, and gave none"""
-- severity = "high"
-- severity_if = { "known_by = addresses only" = "medium" }
-- status = "stable"
-- kind = "query"
-- entity = ["principal_key"]
-- every = "1d"
-- over = "31d"
-- attack = ["T1078.004", "T1110"]
-- cis = []
-- why = """
-- The console asks for the factor only once the password was right. From a network where the user never signed in, and without an \
-- answer: somebody else has the password, and not the device."""
-- false_positives = ["somebody on a journey whose device is at home"]
-- runbook = """
-- 1. Where does the user sign in, and what came from there:
--    SELECT event_time, event_name, source_ip_address, source_as_org, source_country, user_agent, login_result FROM events
--      WHERE principal_key = '<principal_key>' AND event_source = 'signin.amazonaws.com' ORDER BY event_time
-- 2. Ask the user by another way. Not them: reset the password now; the factor has held.
-- 3. The same address with other users?
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events"]
-- +++
WITH known AS (
  SELECT principal_key, array_agg(DISTINCT source_network) AS networks
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to AND event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin'
    AND outcome = 'success'
  GROUP BY principal_key
), asked AS (
  -- Who answers becomes known there; so what is asked late in the slot is looked at in the next one.
  SELECT event_id, account_id, principal_key, principal_name, source_network, source_asn
  FROM events
  WHERE event_source = 'signin.amazonaws.com' AND event_name = 'CheckMfa' AND outcome = 'success'
    AND event_time >= $to - INTERVAL '1450 minutes' AND event_time < $to - INTERVAL '10 minutes'
)
SELECT asked.principal_key, min(account_id) AS account_id, min(principal_name) AS principal_name,
       array_to_string(array_agg(DISTINCT source_network ORDER BY source_network), ', ') AS networks,
       CASE WHEN max(source_asn) IS NULL THEN 'addresses only' END AS known_by,
       count(*) AS count, array_agg(event_id) AS event_ids
FROM asked JOIN known ON asked.principal_key = known.principal_key
WHERE NOT array_has(known.networks, source_network)
GROUP BY asked.principal_key
