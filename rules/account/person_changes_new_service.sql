-- +++
-- title = "{person} in {account_id} changes something in {event_source}, which neither they nor their colleagues do"
-- severity = "low"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["person"]
-- value = ["event_source"]
-- learn = "14d"
-- min_events = 100
-- forget = "90d"
-- max_new_rate = 0.02
-- peers = "principal_key"
-- attack = ["T1078.004"]
-- cis = []
-- why = """
-- People with the same permission set do the same work. A service in which somebody never changed anything, and in \
-- which their colleagues do not either, is a new task or somebody else at work. Refused calls count."""
-- false_positives = ["the first one of a team to try a service"]
-- runbook = """
-- 1. What was changed, from where, with which browser or tool:
--    SELECT event_time, event_name, outcome, source_network, user_agent FROM events WHERE session_name = '<person>'
--      AND event_source = '<event_source>' ORDER BY event_time
-- 2. Ask the person.
-- 3. Not them: revoke the sessions in the directory and in AWS.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       person(session_name, user_identity_type, user_identity_user_name, additional_event_data, principal_key)
         AS person, event_source, event_name, outcome
FROM events
WHERE principal_class = 'human_sso' AND read_only = false
