-- +++
-- title = "The credentials of {session_name} ({principal_name}) are used in two networks at once"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "6h"
-- having = ["distinct(source_network) >= 2"]
-- attack = ["T1552.005", "T1078.004"]
-- cis = []
-- why = """
-- The credentials that a machine, a task or a pod is given are its own: it has one session, in which a key follows the \
-- other every few hours, and it does not move. The same session in a second network has been taken out. Needs no history, \
-- so it also sees machines of yesterday. Of addresses \
-- that no GeoIP file knows nothing is said: the gateways of one network would be taken for several. Needs a GeoIP file."""
-- false_positives = [
--   "a subnet whose gateways lie in different networks",
--   "machines that reach some services over IPv6 and others over IPv4, where the two have different providers",
-- ]
-- runbook = """
-- 1. Which networks, and what was done from each:
--    SELECT source_network, source_ip_address, source_as_org, user_agent, event_source, event_name, outcome, count(*),
--      min(event_time) FROM events WHERE principal_key = '<principal_key>' AND session_name = '<session_name>'
--      GROUP BY 1, 2, 3, 4, 5, 6, 7 ORDER BY 9
-- 2. The one with the agents and the calls of the program is the machine's own; the other is the thief's.
-- 3. Revoke the role's sessions, look for how the machine could be asked for its credentials (metadata service of
--    version 1, a request that the program makes for others), and at what else was reached.
-- """
-- refs = [
--   "MITRE ATT&CK T1552.005 Cloud Instance Metadata API",
--   "Amazon GuardDuty User Guide: UnauthorizedAccess:IAMUser/InstanceCredentialExfiltration",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, user_identity_access_key_id, source_network, source_country,
       event_source, event_name, outcome
FROM events
WHERE principal_class IN ('ec2_instance', 'ecs_task', 'eks_pod')
  AND source_asn IS NOT NULL
