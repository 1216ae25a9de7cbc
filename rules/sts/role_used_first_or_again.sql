-- +++
-- title = "{request_role_arn} is assumed for the first time, or after three months"
-- severity = "low"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["account_id"]
-- value = ["request_role_arn"]
-- learn = "30d"
-- min_events = 200
-- forget = "90d"
-- max_new_rate = 0.02
-- attack = ["T1078.004", "T1548.005"]
-- cis = []
-- why = """
-- Roles that were left over from some project still open doors. One that wakes is either somebody's new work or \
-- somebody's find."""
-- false_positives = ["a new role on its first day", "a yearly job"]
-- runbook = """
-- 1. Who assumed it, from where?
--    SELECT event_time, principal_key, source_ip_address, user_agent, outcome FROM events WHERE request_role_arn =
--      '<request_role_arn>' ORDER BY event_time DESC LIMIT 20
-- 2. What did the session do?
--    SELECT event_time, event_source, event_name, outcome FROM events WHERE session_issuer_arn =
--      '<request_role_arn>' ORDER BY event_time DESC LIMIT 100
-- 3. Not needed: close its trust policy. Unknown: revoke its sessions first.
-- """
-- refs = ["IAM User Guide: Find unused AWS credentials"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_name, request_role_arn,
       request_role_session_name
FROM events
WHERE event_source = 'sts.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('AssumeRole', 'AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity')
