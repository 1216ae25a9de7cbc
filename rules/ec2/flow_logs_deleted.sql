-- +++
-- title = "{principal_name} deleted flow logs in {account_id} ({aws_region})"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562.008"]
-- cis = []
-- why = "Flow logs are the only record of who talked to whom in a network."
-- false_positives = ["a network is taken down with all that belongs to it"]
-- runbook = """
-- 1. Was the network deleted too:
--    SELECT event_time, event_name, request_parameters FROM events WHERE principal_key = '<principal_key>' AND
--      event_source = 'ec2.amazonaws.com' AND NOT read_only ORDER BY event_time
-- 2. Otherwise put them back and ask.
-- """
-- refs = ["Amazon VPC User Guide: Delete a flow log"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_parameters
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name = 'DeleteFlowLogs'
