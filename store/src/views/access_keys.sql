SELECT user_identity_access_key_id AS access_key_id,
       max(principal_name) AS principal_name,
       max(account_id) AS account_id,
       CASE WHEN starts_with(user_identity_access_key_id, 'AKIA') THEN 'long-term' ELSE 'temporary' END AS kind,
       min(event_time) AS first_time,
       max(event_time) AS last_time,
       count(*) AS events,
       count(*) FILTER (WHERE outcome = 'denied') AS denied,
       count(DISTINCT source_ip_address) AS addresses,
       count(DISTINCT event_name) AS event_names
FROM events
WHERE user_identity_access_key_id IS NOT NULL AND NOT actor_is_service
GROUP BY user_identity_access_key_id
