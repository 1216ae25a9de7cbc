-- +++
-- title = "{principal_name} called {event_name} with {request_policy_arn} in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1098.003", "T1078.004"]
-- cis = ["1.4.0/4.4"]
-- why = "These policies of AWS make an administrator, or let their holder make itself one."
-- false_positives = ["setting up an account; a pipeline that manages administrator roles, known by its role"]
-- runbook = """
-- 1. Who is the new administrator, and was it asked for?
-- 2. What has it done since:
--    SELECT event_time, event_source, event_name, outcome FROM events WHERE request_user_name = '<user>' OR
--      principal_name = '<user or role>' ORDER BY event_time
-- 3. Unknown: detach, revoke sessions, and read what the caller did before.
-- """
-- refs = ["AWS Managed Policy Reference: AdministratorAccess", "AWS Managed Policy Reference: IAMFullAccess"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_policy_arn, request_user_name, request_role_name, request_group_name
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name IN ('AttachUserPolicy', 'AttachRolePolicy', 'AttachGroupPolicy')
  AND outcome = 'success' AND NOT actor_is_service
  AND regexp_like(request_policy_arn, '^arn:aws[a-z-]*:iam::aws:policy/(AdministratorAccess|IAMFullAccess)$')
