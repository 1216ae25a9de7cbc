-- +++
-- title = "{principal_name} called {event_name}: who may sign in to the organisation is decided elsewhere now"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1484.002", "T1556"]
-- cis = []
-- why = """
-- The identity source, or the rules for second factors, decide over every account of the organisation. They change \
-- once in years."""
-- false_positives = ["a planned move to another directory"]
-- runbook = """
-- 1. Is there a change for it, by the owners of the directory?
-- 2. What was changed:
--    SELECT event_time, event_source, event_name, request_parameters FROM events WHERE event_source IN
--      ('sso.amazonaws.com', 'sso-directory.amazonaws.com') AND NOT read_only ORDER BY event_time
-- 3. Unknown: put it back, sign everybody out, look at new users and assignments.
-- """
-- refs = ["IAM Identity Center User Guide: Manage your identity source"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_parameters
FROM events
WHERE event_source = 'sso.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('AssociateDirectory', 'DisassociateDirectory', 'DeleteInstance',
                      'PutMfaDeviceManagementForDirectory')
