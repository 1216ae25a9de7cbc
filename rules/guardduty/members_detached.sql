-- +++
-- title = "{principal_name} called {event_name} in {account_id}: GuardDuty loses accounts"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562.001"]
-- cis = []
-- why = "An account that leaves its administrator is no longer watched by those who watch."
-- false_positives = ["an account is closed or moved"]
-- runbook = """
-- 1. Which accounts:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_source = 'guardduty.amazonaws.com'
--      AND NOT read_only ORDER BY event_time
-- 2. Invite or enable them again.
-- 3. Read the caller's other calls:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- """
-- refs = ["Amazon GuardDuty User Guide: Managing multiple accounts"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'accountIds') AS members
FROM events
WHERE event_source = 'guardduty.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('DisassociateMembers', 'DeleteMembers', 'StopMonitoringMembers',
                      'DisassociateFromAdministratorAccount', 'DisassociateFromMasterAccount',
                      'DisableOrganizationAdminAccount')
