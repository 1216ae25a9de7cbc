-- +++
-- title = "{principal_name} tried to switch off defences in {account_id} ({event_name}) and was refused"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- fold = "1h"
-- entity = ["principal_key"]
-- attack = ["T1562.001", "T1562.008"]
-- cis = ["1.4.0/4.1"]
-- why = """
-- That it was refused is the work of a guardrail. That it was tried is the news: there is hardly an innocent \
-- reason to stop a trail that one may not stop."""
-- false_positives = ["infrastructure code that wants to set what the organisation has locked"]
-- runbook = """
-- 1. What else did this identity try, and what worked:
--    SELECT event_source, event_name, outcome, count(*) FROM events WHERE principal_key = '<principal_key>' GROUP
--      BY 1, 2, 3 ORDER BY 4 DESC
-- 2. Is the place usual for it?
-- 3. Unknown: deactivate the key or revoke the sessions.
-- """
-- refs = [
--   "AWS Organizations User Guide: Example service control policies",
--   "AWS CloudTrail User Guide: Security best practices in AWS CloudTrail",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, error_code, error_message
FROM events
WHERE outcome = 'denied' AND NOT actor_is_service
  AND event_source IN ('cloudtrail.amazonaws.com', 'config.amazonaws.com', 'ec2.amazonaws.com',
                       'guardduty.amazonaws.com', 'kms.amazonaws.com', 'organizations.amazonaws.com',
                       'securityhub.amazonaws.com')
  AND event_name IN ('StopLogging', 'DeleteTrail', 'UpdateTrail', 'PutEventSelectors', 'DeleteDetector',
                      'UpdateDetector', 'StopConfigurationRecorder', 'DeleteConfigurationRecorder',
                      'DeleteDeliveryChannel', 'DisableSecurityHub', 'DeleteFlowLogs', 'LeaveOrganization',
                      'DetachPolicy', 'ScheduleKeyDeletion', 'DisableKey')
