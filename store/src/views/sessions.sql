-- A console session has many keys, one for each service and hour: what tells a session is who, its name and when it began.
SELECT principal_key,
       session_name,
       session_creation_date AS began,
       max(principal_name) AS principal_name,
       max(principal_class) AS principal_class,
       max(user_identity_account_id) AS account_id,
       max(session_source_identity) AS source_identity,
       max(CASE WHEN session_mfa_authenticated THEN 'yes' ELSE 'no' END) AS mfa,
       bool_or(COALESCE(session_credential_from_console, false)) AS console,
       min(event_time) AS first_time,
       max(event_time) AS last_time,
       count(*) AS events,
       count(*) FILTER (WHERE read_only = false) AS writes,
       count(*) FILTER (WHERE outcome = 'denied') AS denied,
       count(DISTINCT user_identity_access_key_id) AS keys,
       count(DISTINCT source_network) AS networks,
       min(user_identity_access_key_id) AS access_key_id
FROM events
WHERE session_creation_date IS NOT NULL AND NOT actor_is_service
GROUP BY principal_key, session_name, session_creation_date
