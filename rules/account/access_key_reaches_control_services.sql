-- +++
-- title = "Key {access_key} of {principal_name} turns to {area}, where it never was before"
-- severity = "medium"
-- severity_if = { "client = a person at a computer" = "low", "address = a workplace" = "low" }
-- status = "stable"
-- kind = "query"
-- entity = ["access_key", "area"]
-- every = "1d"
-- over = "91d"
-- attack = ["T1078.004", "T1087.004", "T1555.006"]
-- cis = []
-- why = """
-- A long-lived key in a program does one thing, for years. That it suddenly asks for secrets, identities, accounts or \
-- the watch over them is a new version of the program, or somebody else with the key, even in its own network and \
-- with its own client. Refused calls count. From an address at which people of the directory work on the same day it is \
-- rather a person, who does many things."""
-- false_positives = ["a new version of the program that keeps its passwords in a new place"]
-- runbook = """
-- 1. What was asked, and from where:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      user_identity_access_key_id = '<access_key>' ORDER BY event_time DESC LIMIT 100
-- 2. Was there a release of the program? Its owner knows.
-- 3. No: deactivate the key; take the secrets that were read for known.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts", "MITRE ATT&CK T1555.006 Cloud Secrets Management Stores"]
-- +++
WITH service (event_source, area) AS (
  VALUES ('secretsmanager.amazonaws.com', 'secrets'), ('ssm.amazonaws.com', 'parameters'),
         ('iam.amazonaws.com', 'identities'), ('sso.amazonaws.com', 'identities'),
         ('identitystore.amazonaws.com', 'identities'), ('organizations.amazonaws.com', 'accounts'),
         ('account.amazonaws.com', 'accounts'), ('cloudtrail.amazonaws.com', 'the watch'),
         ('guardduty.amazonaws.com', 'the watch'), ('config.amazonaws.com', 'the watch')
), use AS (
  SELECT access_key_id AS access_key, area, min(first_time) AS first_seen,
         min(min(first_time)) OVER key AS since,
         sum(sum(events) FILTER (WHERE event_hour < $to - INTERVAL '1 day')) OVER key AS calls
  FROM activity LEFT JOIN service USING (event_source)
  WHERE event_hour >= $from AND event_hour < $to AND NOT actor_is_service
  GROUP BY access_key_id, area
  WINDOW key AS (PARTITION BY access_key_id)
), workplace AS (
  SELECT DISTINCT source_ip_address
  FROM events
  WHERE event_time >= $to - INTERVAL '1 day' AND event_time < $to AND principal_class = 'human_sso' AND outcome <> 'failure'
)
SELECT access_key, use.area, min(account_id) AS account_id, min(principal_key) AS principal_key,
       min(principal_name) AS principal_name,
       array_agg(DISTINCT source_network ORDER BY source_network) AS networks,
       array_agg(DISTINCT event_name ORDER BY event_name) AS calls_of_area, max(calls) AS known_calls,
       CASE WHEN bool_and(coalesce(user_agent_os IN ('macos', 'windows') AND user_agent_family = 'aws-cli', false))
            THEN 'a person at a computer' END AS client,
       CASE WHEN count(*) = count(workplace.source_ip_address) THEN 'a workplace' END AS address,
       count(*) AS count, array_agg(event_id) AS event_ids
FROM events
JOIN service ON events.event_source = service.event_source
JOIN use ON user_identity_access_key_id = access_key AND service.area = use.area
LEFT JOIN workplace ON events.source_ip_address = workplace.source_ip_address
WHERE event_time >= $to - INTERVAL '1 day' AND event_time < $to AND NOT actor_is_service
  AND first_seen >= $to - INTERVAL '1 day' AND since < $to - INTERVAL '15 days' AND calls >= 100
GROUP BY access_key, use.area
