-- +++
-- title = "Credentials of {session_name} ({principal_name}) are used through an endpoint of account {vpc_endpoint_account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "vpc_endpoint_account_id"]
-- attack = ["T1552.005", "T1078.004"]
-- cis = []
-- why = """
-- What a machine, a task, a pod or a function is given is used from a network of somebody else's account at AWS: it was \
-- taken out, and goes by way of an endpoint there so that no foreign address shows. Refused calls count."""
-- false_positives = ["a network that another account of yours shares with this one: name your accounts in the site facts"]
-- runbook = """
-- 1. Whose account is it, and what was done from there:
--    SELECT event_time, vpc_endpoint_id, source_ip_address, user_agent, event_source, event_name, outcome FROM events WHERE
--      principal_key = '<principal_key>' AND vpc_endpoint_account_id = '<vpc_endpoint_account_id>' ORDER BY event_time
-- 2. One of yours: name it in the site facts.
-- 3. Nobody's that you know: revoke the role's sessions, isolate the machine, look for how its credentials could be read.
-- """
-- refs = [
--   "AWS CloudTrail User Guide: CloudTrail record contents, vpcEndpointAccountId",
--   "Amazon GuardDuty User Guide: UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration.InsideAWS",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       vpc_endpoint_id, vpc_endpoint_account_id, event_source, event_name, outcome
FROM events
WHERE vpc_endpoint_account_id <> user_identity_account_id
  AND principal_class IN ('ec2_instance', 'ecs_task', 'eks_pod', 'lambda')
  AND outside_site('own_accounts', vpc_endpoint_account_id, event_time) IS NOT NULL
