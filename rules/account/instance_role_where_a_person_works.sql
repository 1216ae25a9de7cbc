-- +++
-- title = """
-- Credentials of instance role {principal_name} come from {source_ip_address}, where a person works at the \
-- console"""
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["account_id", "source_ip_address"]
-- window = "2h"
-- having = ["distinct(step) >= 2"]
-- attack = ["T1552.005", "T1078.004"]
-- cis = []
-- why = """
-- A machine's credentials and a person's browser at one address: the credentials have left the machine and are \
-- on somebody's desk."""
-- false_positives = [
--   "people whose way to the internet leads through the same gateway as the machines, such as a virtual private network in the account",
-- ]
-- runbook = """
-- 1. Which person, which machine, which calls:
--    SELECT event_time, principal_key, session_name, user_agent, event_source, event_name, outcome FROM events
--      WHERE source_ip_address = '<source_ip_address>' AND account_id = '<account_id>' ORDER BY event_time
-- 2. Is the address a gateway of yours? Then both may be there: exclude it.
-- 3. Not a gateway: revoke the role's sessions, ask the person, look into the machine.
-- """
-- refs = ["MITRE ATT&CK T1552.005 Cloud Instance Metadata API"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, principal_class,
       event_source, event_name, outcome,
       CASE principal_class WHEN 'ec2_instance' THEN 'instance' ELSE 'person' END AS step
FROM events
WHERE source_kind = 'public'
  AND (principal_class = 'ec2_instance'
       OR (user_agent_family IN ('browser', 'console') AND principal_class <> 'root'))
