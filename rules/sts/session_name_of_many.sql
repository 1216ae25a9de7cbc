-- +++
-- title = "Several callers wear {role} under one name, {request_role_session_name}"
-- severity = "medium"
-- severity_if = { "caller = a role" = "low" }
-- status = "stable"
-- kind = "threshold"
-- entity = ["role", "request_role_session_name"]
-- window = "1d"
-- having = ["distinct(principal_key) >= 3"]
-- attack = []
-- cis = []
-- why = """
-- A session's name is all that a role's records say of who wears it. Three different callers that give the same one \
-- cannot be told apart by anybody who reads what the role did; a fourth would not be noticed. Roles that do so are as a rule \
-- stages of a pipeline; users, who have names of their own, are more likely one hand that holds several people's keys."""
-- false_positives = ["stages of one pipeline, each with a role of its own, that all call their session by the pipeline"]
-- runbook = """
-- 1. Who they are:
--    SELECT principal_key, principal_name, source_network, count(*) FROM events WHERE event_name = 'AssumeRole' AND
--      request_role_session_name = '<request_role_session_name>' GROUP BY 1, 2, 3
-- 2. Users: one network and one client for all of them is one hand. Ask the owners of the keys; what was done in the role is
--    found by its session's name.
-- 3. Have each name itself: sts:RoleSessionName = ${aws:username} in the role's trust, or a source identity
--    (sts:SourceIdentity), which no later role can change.
-- """
-- refs = ["IAM User Guide: AWS STS condition keys, sts:RoleSessionName and sts:SourceIdentity"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_role_arn AS role, request_role_session_name, event_name,
       CASE WHEN principal_key LIKE 'user:%' THEN 'a user' ELSE 'a role' END AS caller
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name = 'AssumeRole' AND outcome = 'success'
  AND NOT actor_is_service
