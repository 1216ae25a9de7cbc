-- +++
-- title = "{principal_name} fetched the Windows passwords of many instances in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "1h"
-- having = ["distinct(request_instance_id) >= 5"]
-- attack = ["T1552", "T1555.006"]
-- cis = []
-- why = """
-- An administrator needs the password of the machine in front of them. The passwords of many machines are the \
-- keys of a house; refused calls count."""
-- false_positives = ["a tool that stores the first passwords of new machines"]
-- runbook = """
-- 1. Which machines, from where:
--    SELECT event_time, request_instance_id, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' AND event_name = 'GetPasswordData' ORDER BY event_time
-- 2. The passwords can be read only with the machines' key pairs: who has them?
-- 3. Unknown: stop the credentials, change the administrators' passwords.
-- """
-- refs = ["Amazon EC2 API Reference: GetPasswordData"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, request_instance_id, outcome
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND event_name = 'GetPasswordData' AND NOT actor_is_service
