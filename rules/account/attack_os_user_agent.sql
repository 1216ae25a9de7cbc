-- +++
-- title = "{principal_name} calls AWS from {user_agent_os}, a system made for attacking ({source_ip_address})"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key", "user_agent_os"]
-- attack = ["T1078.004", "T1588.002"]
-- cis = []
-- why = """
-- The agent names a distribution for penetration tests. Nobody runs production from it. An agent is easily forged, \
-- so its absence says nothing."""
-- false_positives = ["an announced penetration test; a security engineer at his own desk"]
-- runbook = """
-- 1. Is a test announced, with this address and this account?
-- 2. What was tried:
--    SELECT event_source, event_name, outcome, count(*) FROM events WHERE principal_key = '<principal_key>' GROUP
--      BY 1, 2, 3 ORDER BY 4 DESC
-- 3. Not announced: deactivate the key, revoke sessions, find where the key lay.
-- """
-- refs = ["Amazon GuardDuty User Guide: IAM finding types (PenTest)"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_agent_os, event_source, event_name, outcome
FROM events
WHERE user_agent_os IN ('kali', 'parrot', 'pentoo')
