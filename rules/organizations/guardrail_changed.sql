-- +++
-- title = "{principal_name} called {event_name} in the organisation of {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1484", "T1562.001"]
-- cis = ["1.4.0/4.15"]
-- why = """
-- A policy that says something else, an account that sits under other policies, or an account that may now \
-- administer others: each moves the limits without removing any."""
-- false_positives = ["planned work on the organisation"]
-- runbook = """
-- 1. What changed:
--    SELECT request_parameters, response_elements FROM events WHERE event_id = '<event_id>'
-- 2. Does the text still deny what it denied?
-- 3. Unknown: put it back and look at the caller:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- """
-- refs = ["AWS Organizations User Guide: Updating organization policies"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_parameters
FROM events
WHERE event_source = 'organizations.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('UpdatePolicy', 'MoveAccount', 'RegisterDelegatedAdministrator')
