-- +++
-- title = "{principal_name} called {event_name} on {request_user_name}{request_role_name} in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1098", "T1548"]
-- cis = []
-- why = """
-- The boundary is what keeps delegated administrators from giving away more than they have. Without it every \
-- policy of the user or role counts in full."""
-- false_positives = ["a planned change of the delegation model"]
-- runbook = """
-- 1. Which boundary was it, and who owns it?
-- 2. What did the user or role do since:
--    SELECT event_time, event_source, event_name, outcome FROM events WHERE principal_name = '<user or role>' ORDER
--      BY event_time
-- 3. Unknown: put it back and look at the caller.
-- """
-- refs = ["IAM User Guide: Permissions boundaries for IAM entities"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_user_name, request_role_name
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name IN ('DeleteUserPermissionsBoundary', 'DeleteRolePermissionsBoundary')
  AND outcome = 'success' AND NOT actor_is_service
