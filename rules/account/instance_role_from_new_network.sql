-- +++
-- title = """
-- Credentials of instance role {principal_name} are used from {source_network}, where no instance of it ever was"""
-- severity = "medium"
-- severity_if = { "agent = silent" = "high", "client = a person's computer" = "critical" }
-- status = "stable"
-- kind = "first_seen"
-- entity = ["principal_key"]
-- value = ["source_network"]
-- learn = "14d"
-- min_events = 200
-- forget = "60d"
-- max_new_rate = 0.01
-- attack = ["T1552.005", "T1078.004"]
-- cis = []
-- why = """
-- Instances leave by the same few gateways. Their role's credentials in a network where none of them ever was \
-- have been taken out through the metadata service. Less grave where the agent of Systems Manager calls from there, too: then the \
-- instance is there itself, or a thief pretends to be it."""
-- false_positives = ["a new subnet or region with its own gateway", "the gateway got another address"]
-- runbook = """
-- 1. Is the address one of yours (a new gateway)?
--    SELECT source_network, source_ip_address, vpc_endpoint_id, session_name, count(*), min(event_time) FROM
--      events WHERE principal_key = '<principal_key>' GROUP BY 1, 2, 3, 4 ORDER BY 6
-- 2. Which instance, and what was called from there?
-- 3. Not yours: revoke the role's sessions, isolate the instance, look for the hole through which its metadata
--    were read; require IMDSv2.
-- """
-- refs = [
--   "Amazon EC2 User Guide: Use the Instance Metadata Service",
--   "MITRE ATT&CK T1552.005 Cloud Instance Metadata API",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, source_network,
       vpc_endpoint_id, event_source, event_name, outcome,
       CASE WHEN event_source NOT IN ('ssm.amazonaws.com', 'ssmmessages.amazonaws.com', 'ec2messages.amazonaws.com') THEN 'silent' END
         AS agent,
       CASE WHEN user_agent_os = 'macos' THEN 'a person''s computer' END AS client
FROM events
WHERE principal_class = 'ec2_instance'
