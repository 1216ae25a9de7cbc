-- +++
-- title = "{person} works in {account_id} from {source_country}, where they never were"
-- severity = "low"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["person"]
-- value = ["source_country"]
-- learn = "14d"
-- min_events = 100
-- forget = "90d"
-- max_new_rate = 0.02
-- attack = ["T1078.004"]
-- cis = []
-- why = """
-- People work from home, from the office and now and then from a journey. A country in which somebody never was \
-- is a journey, a virtual network, or somebody else. Needs a GeoIP file."""
-- false_positives = ["a journey", "a virtual private network with an exit abroad"]
-- runbook = """
-- 1. What was done from there, with which browser:
--    SELECT event_time, source_ip_address, source_as_org, user_agent, event_source, event_name, outcome FROM
--      events WHERE session_name = '<person>' AND source_country = '<source_country>' ORDER BY event_time
-- 2. Is the person on a journey? Ask.
-- 3. Not them: revoke the sessions in the directory and in AWS.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       person(session_name, user_identity_type, user_identity_user_name, additional_event_data, principal_key)
         AS person, source_country,
       source_as_org, event_source, event_name, outcome
FROM events
WHERE principal_class = 'human_sso'
  -- CloudShell runs at Amazon, in whatever region.
  AND (user_agent IS NULL OR user_agent NOT LIKE '%exec-env/CloudShell%')
  AND NOT in_site('vpn', source_ip_address, event_time)
