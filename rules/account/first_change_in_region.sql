-- +++
-- title = "{principal_name} changes something in {aws_region}, where no account ever did anything ({account_id})"
-- severity = "medium"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["circle"]
-- value = ["aws_region"]
-- learn = "14d"
-- min_events = 200
-- forget = "90d"
-- max_new_rate = 0.01
-- attack = ["T1535"]
-- cis = []
-- why = """
-- Nobody looks at regions that no account of the organisation uses, which is why machines for mining and copies of data turn up \
-- there. Refused and failed changes count; queries, which change nothing, do not."""
-- false_positives = ["the organisation goes to a new region", "a tool that sets guardrails in every region"]
-- runbook = """
-- 1. What was done there:
--    SELECT event_time, event_source, event_name, outcome, principal_key, source_ip_address FROM events WHERE
--      account_id = '<account_id>' AND aws_region = '<aws_region>' AND read_only = false ORDER BY event_time
-- 2. Is the place usual for this identity?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: stop the credentials, remove what was made, deny the region by policy.
-- """
-- refs = [
--   "AWS Organizations User Guide: Deny access to AWS based on the requested AWS Region",
--   "MITRE ATT&CK T1535 Unused/Unsupported Cloud Regions",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_source, event_name, outcome, 'regions' AS circle
FROM events
WHERE read_only = false AND NOT actor_is_service AND event_type = 'AwsApiCall'
  AND event_name NOT IN ('StartQueryExecution', 'StopQueryExecution', 'StartQuery', 'StopQuery')
