-- +++
-- title = "{principal_name} of {account_id} is at the console, and no sign-in was seen"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["principal_key"]
-- every = "1d"
-- over = "2d"
-- attack = ["T1550.001", "T1078.004"]
-- cis = []
-- why = """
-- Users and root come to the console by a sign-in that is recorded in the account: in us-east-1, or where a user's sign-in page \
-- was. A session that began in these two days and has none is of a region whose logs are missing, or began in another way."""
-- false_positives = ["the trail is of one region, or its logs begin here"]
-- runbook = """
-- 1. Which regions come at all:
--    SELECT aws_region, count(*), max(event_time) FROM events WHERE account_id = '<account_id>' GROUP BY 1
-- 2. How did the session begin, and where is it:
--    SELECT DISTINCT session_creation_date, session_mfa_authenticated, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' AND session_credential_from_console ORDER BY 1
-- 3. All regions are there: ask the person; end the session.
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events"]
-- +++
WITH session AS (
  SELECT principal_key, min(account_id) AS account_id, min(principal_name) AS principal_name,
         min(session_creation_date) AS began, min(source_ip_address) AS source_ip_address, count(*) AS count
  FROM events
  WHERE event_time >= $to - INTERVAL '1 day' AND event_time < $to AND session_credential_from_console
    AND user_identity_type IN ('IAMUser', 'Root') AND session_creation_date >= $from AND NOT actor_is_service
  GROUP BY principal_key
)
SELECT principal_key, account_id, principal_name, CAST(began AS VARCHAR) AS began, source_ip_address, count
FROM session
WHERE NOT EXISTS (SELECT 1 FROM activity
                  WHERE activity.principal_key = session.principal_key AND event_hour >= $from AND event_hour < $to
                    AND event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'success')
