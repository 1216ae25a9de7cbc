-- +++
-- title = "{principal_name} let everybody call function {function} of {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "function"]
-- attack = ["T1098", "T1546"]
-- cis = []
-- why = "Anybody with an AWS account, or anybody at all by its URL, can run the function with the rights of its role."
-- false_positives = ["a public web hook without a gateway in front"]
-- runbook = """
-- 1. What may the function's role do?
-- 2. Was its code changed too:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_source = 'lambda.amazonaws.com' AND
--      principal_key = '<principal_key>' AND NOT read_only ORDER BY event_time
-- 3. Unknown: remove the permission, read the code.
-- """
-- refs = ["AWS Lambda Developer Guide: Using resource-based policies for Lambda"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'functionName') AS function
FROM events
WHERE event_source = 'lambda.amazonaws.com' AND event_name_norm = 'AddPermission'
  AND outcome = 'success' AND NOT actor_is_service
  AND json_text(request_parameters, 'principal') = '*'
  AND json_text(request_parameters, 'sourceArn') IS NULL AND json_text(request_parameters, 'sourceAccount') IS NULL
  AND json_text(request_parameters, 'principalOrgID') IS NULL
