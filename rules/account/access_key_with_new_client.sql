-- +++
-- title = "Key {access_key} of {principal_name} is used by {user_agent_family} on {user_agent_os}, which it never was"
-- severity = "low"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["access_key"]
-- value = ["user_agent_family", "user_agent_os"]
-- learn = "14d"
-- min_events = 200
-- forget = "60d"
-- max_new_rate = 0.005
-- attack = ["T1078.004", "T1552.001"]
-- cis = []
-- why = """
-- A key in a program speaks through one library on one system. Another client or another system is another hand. \
-- An agent is easily forged, so this is a hint and no proof."""
-- false_positives = ["the program was rewritten or moved", "its owner tried the key on the command line"]
-- runbook = """
-- 1. From where, and what was done:
--    SELECT user_agent, source_network, event_name, outcome, count(*), min(event_time) FROM events WHERE
--      user_identity_access_key_id = '<access_key>' GROUP BY 1, 2, 3, 4 ORDER BY 6 DESC
-- 2. Another network, too? Then take the key for stolen.
-- 3. Ask the owner.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_access_key_id AS access_key, user_agent_family, user_agent_os, source_network, event_name
FROM events
WHERE user_identity_access_key_id LIKE 'AKIA%' AND source_kind = 'public' AND outcome <> 'failure'
