-- +++
-- title = "Instance {session_name} called {event_name} for {request_user_name} in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "session_name", "event_name"]
-- attack = ["T1552.005", "T1098.001", "T1136.003"]
-- cis = []
-- why = """
-- A server that makes users, keys or passwords is either an installer that has far too many rights, or somebody \
-- who took its credentials."""
-- false_positives = [
--   "a build server on an instance that provisions users: give it a role of its own outside of the instance",
-- ]
-- runbook = """
-- 1. From where:
--    SELECT source_ip_address, source_network, user_agent, count(*) FROM events WHERE principal_key =
--      '<principal_key>' AND session_name = '<session_name>' GROUP BY 1, 2, 3
-- 2. What became of the new user or key?
-- 3. Unknown: isolate the instance, revoke the role's sessions, remove what was made.
-- """
-- refs = ["Amazon EC2 User Guide: IAM roles for Amazon EC2"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       event_name, request_user_name
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('CreateUser', 'CreateAccessKey', 'CreateLoginProfile', 'UpdateLoginProfile', 'AttachUserPolicy', 'PutUserPolicy')
  AND regexp_like(session_name, '^i-[0-9a-f]{8,17}$')
