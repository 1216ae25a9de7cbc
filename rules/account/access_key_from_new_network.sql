-- +++
-- title = "Key {access_key} of {principal_name} is used from {source_network}, where it never was before"
-- severity = "medium"
-- severity_if = { "client = a person at a computer" = "low", "address = a workplace" = "low" }
-- status = "stable"
-- kind = "query"
-- entity = ["access_key", "source_network"]
-- every = "1d"
-- over = "61d"
-- attack = ["T1078.004", "T1552.001"]
-- cis = []
-- why = """
-- A long-lived key sits in one place and works from there. Seen in a network where it never was, it has been \
-- copied. Refused calls count: a thief's first ones often fail. An address at which people of the directory work on the same \
-- day is rather a laptop that has been carried there."""
-- false_positives = [
--   "the machine has moved, or the network got another way out",
--   "a laptop on a journey: such a key should be a role",
-- ]
-- runbook = """
-- 1. What was done from there, and what before:
--    SELECT source_network, source_country, user_agent_family, event_name, outcome, count(*), min(event_time) FROM
--      events WHERE user_identity_access_key_id = '<access_key>' GROUP BY 1, 2, 3, 4, 5 ORDER BY 7
-- 2. GetCallerIdentity or lists first? That is somebody who does not know what the key is.
-- 3. Unknown: deactivate the key; it is the owner's turn to find where it leaked.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts", "AWS Security Incident Response Guide"]
-- +++
-- Which keys have a network that joined today, beside two weeks of others and few of them, follows from the hourly counts.
WITH place AS (
  SELECT access_key_id AS access_key, source_network, min(first_time) AS first_seen,
         min(min(first_time)) OVER key AS since,
         sum(sum(events) FILTER (WHERE event_hour < $to - INTERVAL '1 day')) OVER key AS calls,
         sum(CASE WHEN min(first_time) < $to - INTERVAL '1 day' THEN 1 ELSE 0 END) OVER key AS networks
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to
  GROUP BY access_key_id, source_network
  WINDOW key AS (PARTITION BY access_key_id)
), workplace AS (
  SELECT DISTINCT source_ip_address
  FROM events
  WHERE event_time >= $to - INTERVAL '1 day' AND event_time < $to AND principal_class = 'human_sso' AND outcome <> 'failure'
)
SELECT access_key, place.source_network, min(account_id) AS account_id, min(principal_key) AS principal_key,
       min(principal_name) AS principal_name, min(source_country) AS source_country,
       array_agg(DISTINCT events.source_ip_address ORDER BY events.source_ip_address) AS addresses,
       array_agg(DISTINCT event_name ORDER BY event_name) AS calls_from_there, max(networks) AS known_networks,
       max(calls) AS known_calls,
       CASE WHEN bool_and(coalesce(user_agent_os IN ('macos', 'windows')
                                   AND user_agent_family IN ('aws-cli', 'cloudformation'), false))
            THEN 'a person at a computer' END AS client,
       CASE WHEN count(*) = count(workplace.source_ip_address) THEN 'a workplace' END AS address,
       count(*) AS count, array_agg(event_id) AS event_ids
FROM events
JOIN place ON user_identity_access_key_id = access_key AND events.source_network = place.source_network
LEFT JOIN workplace ON events.source_ip_address = workplace.source_ip_address
WHERE event_time >= $to - INTERVAL '1 day' AND event_time < $to AND source_kind = 'public'
  AND first_seen >= $to - INTERVAL '1 day' AND since < $to - INTERVAL '15 days'
  -- One that is in another network every day, like a build job's, tells nothing by the next one.
  AND (networks + 1) * 100 <= calls + 2
GROUP BY access_key, place.source_network
