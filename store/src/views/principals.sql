SELECT principal_key,
       max(principal_name) AS principal_name,
       max(principal_class) AS principal_class,
       max(account_id) AS account_id,
       min(first_time) AS first_time,
       max(last_time) AS last_time,
       sum(events) AS events,
       COALESCE(sum(events) FILTER (WHERE outcome = 'denied'), 0) AS denied,
       COALESCE(sum(events) FILTER (WHERE read_only = false), 0) AS writes,
       count(DISTINCT event_name) AS event_names,
       count(DISTINCT source_network) AS networks
FROM activity
GROUP BY principal_key
