-- +++
-- title = "{principal_name} let in a command line that is in another network"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "30m"
-- having = ["distinct(step) >= 2", "distinct(source_network) >= 2"]
-- attack = ["T1528", "T1566.002", "T1550.001"]
-- cis = []
-- why = """
-- `aws login` opens a browser, and the program that waits for it fetches the token: as a rule both run on one machine. A \
-- token that is fetched in another network than where the person agreed was asked for by somebody else, who sent them a link."""
-- false_positives = ["somebody who signs in to a program on a distant server, with the browser at home"]
-- runbook = """
-- 1. Where did the person agree, and where was the token fetched:
--    SELECT event_time, event_name, source_ip_address, source_network, source_country, user_agent FROM events WHERE
--      event_name IN ('AuthorizeOAuth2Access', 'CreateOAuth2Token') AND principal_key = '<principal_key>' ORDER BY event_time
-- 2. Is the second place a server of yours? Ask the person what they were asked to click.
-- 3. Unknown: end the person's sessions, change the password, read what came from there.
-- """
-- refs = ["AWS Sign-In API Reference: CreateOAuth2Token", "MITRE ATT&CK T1528 Steal Application Access Token"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_name AS step, source_network, source_country
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name IN ('AuthorizeOAuth2Access', 'CreateOAuth2Token')
  AND outcome = 'success' AND source_kind = 'public' AND NOT in_site('vpn', source_ip_address, event_time)
