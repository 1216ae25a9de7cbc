-- +++
-- title = "{caller} took root of account {request_target_principal}, which they never did"
-- severity = "high"
-- severity_if = { "circumstance = change window" = "medium" }
-- status = "stable"
-- kind = "first_seen"
-- entity = ["caller"]
-- value = ["request_target_principal"]
-- learn = "7d"
-- min_events = 3
-- forget = "180d"
-- max_new_rate = 0.5
-- attack = ["T1078.004", "T1548"]
-- cis = []
-- why = """
-- Who takes root of the same few member accounts again and again, and then of another one, has a new task there, or their session \
-- has a new holder. Who goes through all accounts as their work is not told of again."""
-- false_positives = ["a task in an account that never needed one: name it in the site's change windows"]
-- runbook = """
-- 1. Which accounts before, and for which tasks:
--    SELECT event_time, request_target_principal, json_text(request_parameters, 'taskPolicyArn', 'arn') AS task,
--      source_ip_address, user_agent FROM events WHERE event_name = 'AssumeRoot' AND (principal_key = '<caller>' OR
--      session_name = '<caller>') ORDER BY event_time
-- 2. Is there a ticket?
-- 3. Unknown: revoke the caller's sessions; the root session itself ends within a quarter of an hour.
-- """
-- refs = ["AWS STS API Reference: AssumeRoot", "IAM User Guide: Perform a privileged task on an AWS Organizations member account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, session_name, source_ip_address, user_agent,
       request_target_principal,
       CASE principal_class WHEN 'human_sso' THEN session_name ELSE principal_key END AS caller,
       CASE WHEN in_site('change_windows', regexp_replace(request_target_principal, '^.*:([0-9]{12}):root$', '\1'), event_time)
            THEN 'change window' END AS circumstance
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name = 'AssumeRoot' AND outcome = 'success' AND NOT actor_is_service
