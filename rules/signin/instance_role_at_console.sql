-- +++
-- title = "Credentials of instance {session_name} were turned into a console session ({event_name}) in {account_id}"
-- severity = "critical"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "session_name"]
-- attack = ["T1552.005", "T1550.001", "T1078.004"]
-- cis = []
-- why = """
-- Instances do not use a browser. Somebody took the credentials out of the metadata service and opened the console \
-- with them."""
-- false_positives = ["none known; an administrator who borrows an instance role does what an attacker does"]
-- runbook = """
-- 1. Revoke the role's sessions (deny all before now).
-- 2. From where were the credentials used:
--    SELECT source_ip_address, source_network, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' AND session_name = '<session_name>' GROUP BY 1, 2
-- 3. Isolate the instance, find how its metadata was read, require IMDSv2.
-- """
-- refs = [
--   "IAM User Guide: Enable custom identity broker access to the AWS console",
--   "Amazon GuardDuty User Guide: IAM finding types",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_name
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name IN ('ConsoleLogin', 'GetSigninToken') AND outcome = 'success'
  AND regexp_like(session_name, '^i-[0-9a-f]{8,17}$')
