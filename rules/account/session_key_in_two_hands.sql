-- +++
-- title = "A temporary key of {principal_name} ({session_name}) is used with two clients in two networks"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["temporary_key"]
-- window = "12h"
-- having = ["distinct(source_network) >= 2", "distinct(client) >= 2"]
-- attack = ["T1550.001", "T1078.004"]
-- cis = []
-- why = """
-- A temporary key belongs to the program that asked for it, and lives there for hours. A laptop that is carried from one \
-- network into another keeps its system; another system in another network is another holder of the same key. Sessions of \
-- people of the directory and of machines have rules of their own. Of addresses that no GeoIP file knows nothing is said. \
-- Needs a GeoIP file."""
-- false_positives = ["keys that are handed on by design, from a broker to those who work with them"]
-- runbook = """
-- 1. Which networks and clients, and what was done from each:
--    SELECT source_network, source_ip_address, user_agent, event_source, event_name, outcome, count(*), min(event_time)
--      FROM events WHERE user_identity_access_key_id = '<temporary_key>' GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 8
-- 2. Who asked for the key, and from where (`trailhound investigate <temporary_key>`)? The other one is not them.
-- 3. Revoke the role's sessions; look for how the key was read (a log, a build, a copied cache).
-- """
-- refs = [
--   "MITRE ATT&CK T1550.001 Use Alternate Authentication Material: Application Access Token",
--   "IAM User Guide: Revoke IAM role temporary security credentials",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       user_identity_access_key_id AS temporary_key, source_network, source_country, user_agent_os AS client,
       event_source, event_name, outcome
FROM events
WHERE user_identity_access_key_id LIKE 'ASIA%' AND source_asn IS NOT NULL AND session_credential_from_console IS NOT TRUE
  AND principal_class NOT IN ('root', 'human_sso', 'ec2_instance', 'ecs_task', 'eks_pod', 'lambda', 'aws_service_role')
  AND user_agent_family NOT IN ('browser', 'console')
  AND NOT in_site('vpn', source_ip_address, event_time)
