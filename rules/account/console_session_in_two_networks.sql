-- +++
-- title = "{principal_name} has the console open in two networks at once"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "10m"
-- having = ["distinct(source_network) >= 2"]
-- attack = ["T1539", "T1550.004"]
-- cis = []
-- why = """
-- An open page of the console asks for the state of AWS's services every few minutes, whatever the person does. Asked from two \
-- networks within minutes, it is open twice: whoever took the session's cookie works beside its owner, and no sign-in shows it."""
-- false_positives = [
--   "a laptop that changes its network, or that speaks IPv4 and IPv6 by turns: with a list of networks by number (--geoip) both are one",
--   "two people who share a user",
-- ]
-- runbook = """
-- 1. Which browsers, and what did each do:
--    SELECT source_network, source_country, user_agent, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' AND session_name IS NOT DISTINCT FROM '<session_name>' GROUP BY 1, 2, 3 ORDER BY 5
-- 2. Is there a sign-in from each of the networks? The one without is a session that was taken.
-- 3. Ask the person. Not theirs: revoke the role's sessions, or deny all that began before now to the user.
-- """
-- refs = ["MITRE ATT&CK T1539 Steal Web Session Cookie", "AWS Health User Guide: DescribeEventAggregates"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       source_network, source_country
FROM events
WHERE event_source = 'health.amazonaws.com' AND event_name = 'DescribeEventAggregates' AND source_kind = 'public'
  AND NOT actor_is_service AND NOT in_site('vpn', source_ip_address, event_time)
