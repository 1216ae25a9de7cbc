-- +++
-- title = "{principal_name} called {event_name} ({policy}) in the organisation of {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562.001", "T1484"]
-- cis = ["1.4.0/4.15"]
-- why = """
-- Service and resource control policies are the only limits that administrators of member accounts cannot lift. \
-- One less of them."""
-- false_positives = ["a reorganisation of the policies, done by those who own them"]
-- runbook = """
-- 1. Which policy, and from what:
--    SELECT event_time, event_name, request_parameters, principal_key FROM events WHERE event_source =
--      'organizations.amazonaws.com' AND NOT read_only ORDER BY event_time
-- 2. Put it back, then ask.
-- 3. What was done since in the accounts below it that the policy had denied?
-- """
-- refs = ["AWS Organizations User Guide: Service control policies (SCPs)"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       coalesce(json_text(request_parameters, 'policyId'), json_text(request_parameters, 'policyType')) AS policy
FROM events
WHERE event_source = 'organizations.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('DetachPolicy', 'DeletePolicy', 'DisablePolicyType')
