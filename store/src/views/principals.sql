SELECT principal_key,
       max(principal_name) AS principal_name,
       max(principal_class) AS principal_class,
       max(account_id) AS account_id,
       min(event_time) AS first_time,
       max(event_time) AS last_time,
       count(*) AS events,
       count(*) FILTER (WHERE outcome = 'denied') AS denied,
       count(*) FILTER (WHERE read_only = false) AS writes,
       count(DISTINCT event_name) AS event_names,
       count(DISTINCT source_network) AS networks
FROM events
GROUP BY principal_key
