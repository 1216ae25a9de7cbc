-- +++
-- title = "{principal_name} opened an administration port to the Internet in {account_id} ({security_group})"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "security_group"]
-- attack = ["T1562.007", "T1133"]
-- cis = ["1.4.0/4.10", "1.4.0/5.2"]
-- why = """
-- SSH, RDP or every port for every address: found by scanners within minutes, and the usual way in after the keys."""
-- false_positives = ["a bastion that is meant so: better by Session Manager"]
-- runbook = """
-- 1. What stands behind the group?
-- 2. Who opened what else:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_name LIKE 'AuthorizeSecurityGroup%'
--      AND principal_key = '<principal_key>' ORDER BY event_time
-- 3. Close it.
-- """
-- refs = ["Amazon VPC User Guide: Security group rules", "AWS Security Hub User Guide: EC2.13, EC2.14"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       json_text(request_parameters, 'groupId') AS security_group, request_parameters
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND event_name = 'AuthorizeSecurityGroupIngress'
  AND outcome = 'success' AND NOT actor_is_service
  AND regexp_like(request_parameters, '"(0\.0\.0\.0|::)/0"')
  AND regexp_like(request_parameters, '"(fromPort|toPort)"\s*:\s*(22|3389)\b|"ipProtocol"\s*:\s*"-1"')
