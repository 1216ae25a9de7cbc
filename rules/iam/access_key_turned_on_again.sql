-- +++
-- title = "Access key {access_key} in {account_id}, once turned off, is active again"
-- severity = "medium"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "access_key"]
-- steps = ["off", "on"]
-- ordered = true
-- within = "30d"
-- same = ["access_key"]
-- attack = ["T1098.001"]
-- cis = []
-- why = """
-- A key is turned off because it leaked, because its owner left or because a new one took its place. Turned on again it is \
-- whole, with all who ever had a copy of it: what an intruder with rights in IAM does who wants no new key to be seen."""
-- false_positives = ["a rotation that was taken back, since a program still used the old key"]
-- runbook = """
-- 1. Who turned it off and on, and what was done with it since:
--    SELECT event_time, event_name, principal_name, source_ip_address, outcome FROM events WHERE
--      request_access_key_id = '<access_key>' OR user_identity_access_key_id = '<access_key>' ORDER BY event_time
-- 2. Ask whoever turned it off. If it had leaked, turn it off now and read the rest afterwards.
-- 3. Delete keys that are off for a week: only that is final.
-- """
-- refs = ["MITRE ATT&CK T1098.001 Account Manipulation: Additional Cloud Credentials"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_access_key_id AS access_key, request_user_name,
       CASE json_text(request_parameters, 'status') WHEN 'Inactive' THEN 'off' WHEN 'Active' THEN 'on' END AS step
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'UpdateAccessKey' AND outcome = 'success'
