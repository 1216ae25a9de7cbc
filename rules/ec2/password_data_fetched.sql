-- +++
-- title = "{principal_name} asked for the administrator password of {request_instance_id} in {account_id} ({outcome})"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- fold = "1h"
-- entity = ["principal_key"]
-- attack = ["T1552.005", "T1555"]
-- cis = []
-- why = """
-- The encrypted administrator password of a Windows instance. One is an administrator at work; a row of them, or \
-- refused ones, is somebody who collects. An hour is one finding; refused calls count."""
-- false_positives = ["an administrator signs in to a fresh instance; image pipelines"]
-- runbook = """
-- 1. How many instances, and which worked:
--    SELECT request_instance_id, outcome, count(*) FROM events WHERE event_name = 'GetPasswordData' AND
--      principal_key = '<principal_key>' GROUP BY 1, 2
-- 2. Is the place usual?
-- 3. Unknown: change the passwords, replace the key pair.
-- """
-- refs = ["Amazon EC2 API Reference: GetPasswordData", "MITRE ATT&CK T1555 Credentials from Password Stores"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_instance_id, outcome
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND event_name = 'GetPasswordData' AND outcome <> 'failure' AND NOT actor_is_service
