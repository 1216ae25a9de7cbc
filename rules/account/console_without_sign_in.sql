-- +++
-- title = "{sessions} console sessions of {account_id} have no sign-in in the logs: {principals}"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["account_id"]
-- every = "7d"
-- over = "8d"
-- attack = ["T1562.008"]
-- cis = []
-- why = """
-- Users and root sign in before they work at the console, and that is recorded in the region of the sign-in, not of the work: root's \
-- in us-east-1, users' there or at the nearest of four. Sessions without a sign-in say that these records are missing, and with \
-- them failed sign-ins, missing second factors and root: rules about these see nothing in this account."""
-- false_positives = ["logs that begin in the middle of the sessions"]
-- runbook = """
-- 1. Which sessions:
--    SELECT principal_name, session_creation_date, source_ip_address, count(*), min(event_time) FROM events WHERE account_id =
--      '<account_id>' AND session_credential_from_console AND user_identity_type IN ('IAMUser', 'Root') GROUP BY 1, 2, 3 ORDER BY 5
-- 2. Does the account's trail log all regions, and global services? From which regions do objects come:
--    SELECT account_id, aws_region, count(*) FROM events WHERE account_id = '<account_id>' GROUP BY 1, 2
-- 3. Make it a trail of all regions, or of the organisation.
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events", "AWS CloudTrail User Guide: Receiving CloudTrail log files from multiple Regions"]
-- +++
WITH session AS (
  SELECT account_id, principal_key, session_creation_date AS began, min(principal_name) AS principal_name,
         min(event_id) AS event_id
  FROM events
  WHERE event_time >= $from + INTERVAL '1 day' AND event_time < $to AND user_identity_type IN ('IAMUser', 'Root')
    AND session_credential_from_console AND NOT actor_is_service
  GROUP BY account_id, principal_key, session_creation_date
), sign_in AS (
  SELECT principal_key, event_time
  FROM events
  WHERE event_time >= $from AND event_time < $to AND event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin'
    AND outcome = 'success'
), unseen AS (
  -- A session lasts twelve hours, in which the console takes up new ones.
  SELECT session.account_id, session.principal_key, began, session.principal_name, session.event_id
  FROM session
  LEFT JOIN sign_in
    ON session.principal_key = sign_in.principal_key
   AND sign_in.event_time BETWEEN began - INTERVAL '13 hours' AND began + INTERVAL '10 minutes'
  WHERE sign_in.event_time IS NULL
)
SELECT account_id, CAST(count(*) AS VARCHAR) AS sessions,
       array_to_string(array_agg(DISTINCT principal_name ORDER BY principal_name), ', ') AS principals,
       count(*) AS count, array_agg(event_id) AS event_ids
FROM unseen
GROUP BY account_id
