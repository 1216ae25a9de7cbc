-- +++
-- title = "{principal_name} took root of {request_target_principal}, which it never did for any account"
-- severity = "high"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["account_id"]
-- value = ["caller"]
-- learn = "7d"
-- min_events = 3
-- forget = "180d"
-- max_new_rate = 0.5
-- attack = ["T1078.004", "T1548"]
-- cis = []
-- why = "Few people take root of member accounts, and always the same. One who never did has been given the right, or has taken it."
-- false_positives = ["somebody new in the central team"]
-- runbook = """
-- 1. Who did so before, and who let this one:
--    SELECT event_time, principal_key, session_name, request_target_principal, source_ip_address FROM events WHERE event_name =
--      'AssumeRoot' ORDER BY event_time
-- 2. Is there a ticket for the task?
-- 3. Unknown: revoke the caller's sessions; the root session itself ends within a quarter of an hour.
-- """
-- refs = ["AWS STS API Reference: AssumeRoot", "IAM User Guide: Perform a privileged task on an AWS Organizations member account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, session_name, source_ip_address, user_agent,
       request_target_principal,
       CASE principal_class WHEN 'human_sso' THEN session_name ELSE principal_key END AS caller
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name = 'AssumeRoot' AND outcome = 'success' AND NOT actor_is_service
