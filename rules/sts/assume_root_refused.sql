-- +++
-- title = "{principal_name} tried to take root of {request_target_principal} and was refused"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- fold = "1h"
-- entity = ["principal_key"]
-- attack = ["T1078.004", "T1548"]
-- cis = []
-- why = "Whoever may take root of member accounts knows it, and they are few. Somebody else reached for the highest rights there are."
-- false_positives = ["the central team, before central root access was set up"]
-- runbook = """
-- 1. What else did this identity try, and what worked:
--    SELECT event_source, event_name, outcome, count(*) FROM events WHERE principal_key = '<principal_key>' GROUP
--      BY 1, 2, 3 ORDER BY 4 DESC
-- 2. Is the place usual for it?
-- 3. Unknown: deactivate the key or revoke the sessions.
-- """
-- refs = ["AWS STS API Reference: AssumeRoot", "IAM User Guide: Centrally manage root access for member accounts"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_target_principal, error_code
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name = 'AssumeRoot' AND outcome = 'denied'
