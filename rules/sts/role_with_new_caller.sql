-- +++
-- title = "{principal_name} assumed {request_role_arn}, which it never did"
-- severity = "medium"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["request_role_arn"]
-- value = ["principal_key"]
-- learn = "14d"
-- min_events = 50
-- forget = "60d"
-- max_new_rate = 0.02
-- attack = ["T1548.005", "T1078.004", "T1021.007"]
-- cis = []
-- why = """
-- A role that a few callers use has gained one. Its trust was too wide all the time, or has just been widened, \
-- or a caller's credentials are in other hands."""
-- false_positives = ["a new pipeline or colleague who was given the role"]
-- runbook = """
-- 1. Who assumed it before, and when was its trust changed:
--    SELECT event_time, event_name, principal_key, source_ip_address FROM events WHERE request_role_arn =
--      '<request_role_arn>' OR (event_name = 'UpdateAssumeRolePolicy' AND '<request_role_arn>' LIKE '%/' ||
--      request_role_name) ORDER BY event_time DESC LIMIT 100
-- 2. What did the session do?
--    SELECT event_time, event_source, event_name, outcome FROM events WHERE user_identity_access_key_id =
--      '<response_access_key_id>' ORDER BY event_time
-- 3. Unknown: revoke the role's sessions, narrow its trust policy.
-- """
-- refs = ["IAM User Guide: Update a role trust policy"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_role_arn, request_role_session_name,
       response_access_key_id
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name = 'AssumeRole' AND outcome = 'success' AND NOT actor_is_service
  AND user_identity_type <> 'AWSAccount'
