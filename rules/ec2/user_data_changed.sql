-- +++
-- title = "{principal_name} changed the start script of {request_instance_id} in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_instance_id"]
-- attack = ["T1059", "T1651"]
-- cis = []
-- why = "What stands in user data runs as the administrator at the next start, with the credentials of the instance."
-- false_positives = ["a stopped instance is prepared by hand"]
-- runbook = """
-- 1. Was it stopped and started around it:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_source = 'ec2.amazonaws.com' AND
--      principal_key = '<principal_key>' AND NOT read_only ORDER BY event_time
-- 2. Read the script on the instance.
-- 3. Unknown: isolate it, revoke its role's sessions.
-- """
-- refs = ["Amazon EC2 User Guide: Run commands when you launch an EC2 instance with user data input"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_instance_id
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND event_name = 'ModifyInstanceAttribute'
  AND outcome = 'success' AND NOT actor_is_service
  AND json_text(request_parameters, 'userData') IS NOT NULL
