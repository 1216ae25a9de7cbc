-- +++
-- title = "{person} works from two countries on two operating systems within half a day"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["person"]
-- window = "12h"
-- having = ["distinct(source_country) >= 2", "distinct(user_agent_os) >= 2"]
-- attack = ["T1078.004", "T1539"]
-- cis = []
-- why = """
-- A journey or a tunnel changes the country, a second computer the system. Both within half a day are rather two \
-- people with one identity. CloudShell, which runs at Amazon, is left out. Needs a GeoIP file."""
-- false_positives = ["somebody with two computers, one of which goes through a tunnel that ends abroad"]
-- runbook = """
-- 1. Which addresses, which clients, what was done with each:
--    SELECT source_country, source_as_org, source_ip_address, user_agent, event_source, event_name, outcome, count(*),
--      min(event_time) FROM events WHERE session_name = '<person>' GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 9
-- 2. Ask the person, by telephone, which of the two they are.
-- 3. Not theirs: end the sessions in the directory and revoke those of the roles; look for how the session was taken.
-- """
-- refs = ["MITRE ATT&CK T1539 Steal Web Session Cookie", "MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       person(session_name, user_identity_type, user_identity_user_name, additional_event_data, principal_key)
         AS person, source_country, source_as_org, user_agent_os,
       event_source, event_name, outcome
FROM events
WHERE principal_class = 'human_sso' AND user_agent NOT LIKE '%exec-env/CloudShell%'
  AND NOT in_site('vpn', source_ip_address, event_time)
