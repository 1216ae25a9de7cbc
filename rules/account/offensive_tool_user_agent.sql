-- +++
-- title = "{principal_name} calls AWS with an attack or key-hunting tool: {user_agent}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key"]
-- attack = ["T1588.002", "T1580"]
-- cis = []
-- why = """
-- Some tools that hunt for leaked keys or attack accounts say so in their agent. One call by them means that the \
-- key is in the hands of whoever runs them."""
-- false_positives = ["your own secret scanner, which verifies what it finds; an announced test"]
-- runbook = """
-- 1. Is it your own scanner, by its address?
-- 2. All that the key did:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- 3. Otherwise deactivate the key and search repositories, images and build logs for it.
-- """
-- refs = ["AWS re:Post: What do I do if I notice unauthorized activity in my AWS account?"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, outcome
FROM events
WHERE user_agent_family IN ('aws_consoler', 'cloudfox', 'gitleaks', 'nuclei', 'pacu', 's3 browser', 'sqlmap', 'trufflehog')
