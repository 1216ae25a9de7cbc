-- +++
-- title = "{principal_name} called {event_name} in {account_id} ({aws_region}): Security Hub sees less"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562.001"]
-- cis = []
-- why = "Security Hub gathers the findings of the other services; without it nobody reads them in one place."
-- false_positives = ["an account is closed; a standard is replaced by a newer one"]
-- runbook = """
-- 1. What is off now:
--    SELECT event_time, aws_region, event_name, request_parameters FROM events WHERE event_source =
--      'securityhub.amazonaws.com' AND NOT read_only ORDER BY event_time
-- 2. Enable it again.
-- 3. Read the caller's other calls:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- """
-- refs = ["AWS Security Hub User Guide: Disabling Security Hub"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name
FROM events
WHERE event_source = 'securityhub.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('DisableSecurityHub', 'DisassociateFromAdministratorAccount', 'DisassociateMembers',
                      'DeleteMembers', 'BatchDisableStandards', 'DisableOrganizationAdminAccount')
