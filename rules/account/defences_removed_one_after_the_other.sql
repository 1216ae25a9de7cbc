-- +++
-- title = "{principal_name} takes down the defences of {account_id}"
-- severity = "critical"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "2h"
-- having = ["distinct(event_source) >= 2"]
-- attack = ["T1562.001", "T1562.008"]
-- cis = ["1.4.0/4.5", "1.4.0/4.9"]
-- why = """
-- Detection, the configuration recorder, the trail, flow logs: one switched off may have a reason, two within \
-- the hour by one hand have a plan. Refused attempts count."""
-- false_positives = ["an account that is being dismantled"]
-- runbook = """
-- 1. Stop the credentials first: deactivate the key, or revoke the role's sessions.
-- 2. What is off:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE principal_key =
--      '<principal_key>' AND read_only = false ORDER BY event_time
-- 3. Switch it on again, from an account that this identity cannot reach.
-- 4. What came next is what it was done for.
-- """
-- refs = ["MITRE ATT&CK T1562.001 Disable or Modify Tools"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, event_source, event_name, outcome
FROM events
WHERE NOT actor_is_service
  AND event_source IN ('cloudtrail.amazonaws.com', 'guardduty.amazonaws.com', 'config.amazonaws.com',
                       'securityhub.amazonaws.com', 'access-analyzer.amazonaws.com', 'macie2.amazonaws.com',
                       'ec2.amazonaws.com')
  AND event_name IN ('StopLogging', 'DeleteTrail', 'DeleteDetector', 'StopMonitoringMembers', 'DisassociateMembers',
                     'StopConfigurationRecorder', 'DeleteConfigurationRecorder', 'DeleteDeliveryChannel',
                     'DisableSecurityHub', 'DeleteAnalyzer', 'DisableMacie', 'DeleteFlowLogs')
