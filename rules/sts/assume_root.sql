-- +++
-- title = "{principal_name} took root of account {request_target_principal} for {task}"
-- severity = "medium"
-- severity_if = { "circumstance = change window" = "low" }
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_target_principal"]
-- attack = ["T1078.004", "T1548"]
-- cis = []
-- why = "A short root session in a member account, for one of five tasks. Rare, and always planned."
-- false_positives = ["the central team unlocks a bucket or a queue, or removes root credentials"]
-- runbook = """
-- 1. Is there a ticket for the task?
-- 2. What did the session do:
--    SELECT event_time, event_source, event_name, outcome FROM events WHERE user_identity_access_key_id =
--      '<response_access_key_id>' ORDER BY event_time
-- 3. Unknown: the caller's session is in the management or the delegated account; revoke it.
-- """
-- refs = ["IAM User Guide: Perform a privileged task on an AWS Organizations member account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_target_principal, response_access_key_id,
       json_text(request_parameters, 'taskPolicyArn', 'arn') AS task,
       CASE WHEN in_site('change_windows', regexp_replace(request_target_principal, '^.*:([0-9]{12}):root$', '\1'), event_time)
            THEN 'change window' END AS circumstance
FROM events
WHERE event_source = 'sts.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name = 'AssumeRoot'
