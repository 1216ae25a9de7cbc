-- +++
-- title = "{principal_name} let every address through network ACL {network_acl} of {account_id}"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "network_acl"]
-- attack = ["T1562.007"]
-- cis = ["1.4.0/4.11", "1.4.0/5.1"]
-- why = "The outer fence of a subnet falls: what the security groups let in is reached from everywhere."
-- false_positives = ["networks that rely on security groups alone, as the default ACL does"]
-- runbook = """
-- 1. Who changed which entries:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_name LIKE '%NetworkAcl%' AND
--      principal_key = '<principal_key>' ORDER BY event_time
-- 2. What do the security groups behind it let in?
-- """
-- refs = ["Amazon VPC User Guide: Control subnet traffic with network access control lists"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'networkAclId') AS network_acl, request_parameters
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND event_name IN ('CreateNetworkAclEntry', 'ReplaceNetworkAclEntry')
  AND outcome = 'success' AND NOT actor_is_service
  AND json_text(request_parameters, 'egress') = 'false' AND json_text(request_parameters, 'ruleAction') = 'allow'
  AND coalesce(json_text(request_parameters, 'cidrBlock'), json_text(request_parameters, 'ipv6CidrBlock')) IN ('0.0.0.0/0', '::/0')
