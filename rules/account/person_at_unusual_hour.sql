-- +++
-- title = "{person} works in {account_id} at an hour at which they never do"
-- severity = "low"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["person"]
-- value = ["part_of_day"]
-- learn = "14d"
-- min_events = 200
-- forget = "60d"
-- max_new_rate = 0.02
-- attack = ["T1078.004"]
-- cis = []
-- why = """
-- People have their hours. A session at a time of day at which its owner was never seen in weeks is overtime, a \
-- journey, or somebody in another part of the world. A hint to be read with others."""
-- false_positives = ["on-call duty, a release at night", "a journey"]
-- runbook = """
-- 1. From where, compared with the days before:
--    SELECT event_time, source_network, source_country, user_agent, event_name FROM events WHERE session_name =
--      '<person>' ORDER BY event_time DESC LIMIT 100
-- 2. Another network or country, too: ask the person.
-- 3. Not them: revoke the sessions in the directory and in AWS.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, source_network,
       event_source, event_name,
       arrow_cast(event_time, 'Int64') / 21600000000 % 4 AS part_of_day,
       person(session_name, user_identity_type, user_identity_user_name, additional_event_data, principal_key)
         AS person
FROM events
WHERE principal_class = 'human_sso'
