-- +++
-- title = "{principal_name} called {event_name} in {account_id}"
-- severity = "critical"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1531", "T1562.001"]
-- cis = ["1.4.0/4.15"]
-- why = """
-- Outside of the organisation none of its guardrails, trails and watchers hold. Attackers take an account out to \
-- keep it."""
-- false_positives = ["a sold or closed business unit, planned for weeks"]
-- runbook = """
-- 1. Call those who run the organisation.
-- 2. Which account:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_source =
--      'organizations.amazonaws.com' AND NOT read_only ORDER BY event_time
-- 3. Unknown: contact AWS Support at once; a closed account can be reopened for ninety days.
-- """
-- refs = ["AWS Organizations User Guide: Leave an organization from your member account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'accountId') AS account_removed
FROM events
WHERE event_source = 'organizations.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('LeaveOrganization', 'RemoveAccountFromOrganization', 'DeleteOrganization', 'CloseAccount')
