-- +++
-- title = "Credentials of {principal_name} in {account_id} are used by {client} for {event_source}, both new for it"
-- severity = "medium"
-- severity_if = { "reach = identities, secrets or models" = "high" }
-- status = "stable"
-- kind = "first_seen"
-- entity = ["principal_key"]
-- value = ["client", "event_source"]
-- each = true
-- learn = "14d"
-- min_events = 200
-- forget = "60d"
-- max_new_rate = 0.01
-- attack = ["T1552.005", "T1078.004", "T1526"]
-- cis = []
-- why = """
-- A function, a task or a pod calls the services that it was written for, by the library that it was built with. By another client \
-- and for another service at once, its credentials are in other hands, wherever these are: from a machine at the same provider the \
-- network tells nothing. Refused calls count."""
-- false_positives = ["a program written anew, with another library, that does something else"]
-- runbook = """
-- 1. Was there a deployment?
-- 2. What was called, from where, by which client:
--    SELECT event_time, session_name, source_ip_address, user_agent, event_source, event_name, outcome FROM events WHERE
--      principal_key = '<principal_key>' AND event_time > TIMESTAMP '<a day before>' ORDER BY event_time
-- 3. No deployment: revoke the role's sessions, close the way by which the credentials were read, take for known what the role
--    may read.
-- """
-- refs = [
--   "MITRE ATT&CK T1552.005 Cloud Instance Metadata API",
--   "Amazon GuardDuty User Guide: UnauthorizedAccess:IAMUser/ResourceCredentialExfiltration.InsideAWS",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       concat(user_agent_family, ' on ', coalesce(user_agent_os, 'an unknown system')) AS client, source_network, event_source,
       event_name, outcome,
       CASE WHEN event_source IN ('iam.amazonaws.com', 'secretsmanager.amazonaws.com', 'bedrock.amazonaws.com')
              OR event_source = 'sts.amazonaws.com' AND event_name = 'GetCallerIdentity' THEN 'identities, secrets or models' END AS reach
FROM events
WHERE principal_class IN ('lambda', 'ecs_task', 'eks_pod')
