-- Human or machine, and why: by what one record says of it where that is enough, else by its hours. A program is at work at
-- night and at weekends; a person does many different things on working days, and sleeps.
WITH hour AS (
  SELECT principal_key, event_date, event_hour, max(principal_name) AS principal_name, max(account_id) AS account_id,
         max(principal_class) AS principal_class, sum(events) AS events,
         sum(CASE WHEN actor_is_service THEN 0 ELSE events END) AS own_events
  FROM activity GROUP BY principal_key, event_date, event_hour
), day AS (
  SELECT principal_key, event_date, max(principal_name) AS principal_name, max(account_id) AS account_id,
         max(principal_class) AS principal_class, sum(events) AS events, sum(own_events) AS own_events,
         count(*) FILTER (WHERE own_events > 0) AS hours
  FROM hour GROUP BY principal_key, event_date
), days AS (
  SELECT principal_key, max(principal_name) AS principal_name, max(account_id) AS account_id,
         max(principal_class) AS principal_class, sum(events) AS events, sum(own_events) AS own_events,
         count(*) FILTER (WHERE hours > 0) AS active_days,
         count(*) FILTER (WHERE hours > 0 AND date_part('dow', event_date) IN (0, 6)) AS weekend_days,
         count(*) FILTER (WHERE hours >= 7) AS long_days
  FROM day GROUP BY principal_key
), work AS (
  SELECT principal_key, count(DISTINCT concat(event_source, ' ', event_name)) AS kinds_of_calls,
         count(DISTINCT date_part('hour', event_hour)) AS hours_of_day,
         count(DISTINCT user_agent_family) AS agents, bool_or(event_name = 'ConsoleLogin' AND outcome = 'success') AS signs_in
  FROM activity WHERE NOT actor_is_service GROUP BY principal_key
), judged AS (
  SELECT days.*, coalesce(kinds_of_calls, 0) AS kinds_of_calls, coalesce(hours_of_day, 0) AS hours_of_day,
         coalesce(agents, 0) AS agents, coalesce(signs_in, false) AS signs_in,
         long_days >= 5 AND weekend_days >= 1 AND coalesce(agents, 0) <= 3 AS works_like_a_program,
         active_days >= 5 AND weekend_days * 10 <= active_days AND coalesce(hours_of_day, 0) <= 14
           AND coalesce(kinds_of_calls, 0) >= 12 AS works_like_a_person
  FROM days LEFT JOIN work USING (principal_key)
)
SELECT principal_key, principal_name, account_id, principal_class,
       CASE WHEN principal_class IN ('aws_service', 'service_linked_role') THEN 'service'
            WHEN principal_class = 'root' THEN 'root'
            WHEN works_like_a_program AND signs_in THEN 'mixed'
            WHEN principal_class IN ('human', 'human_sso', 'human_iam_user') AND NOT works_like_a_program THEN 'human'
            WHEN principal_class IN ('ec2_instance', 'ssm_hybrid_node', 'lambda', 'ecs_task', 'eks_pod', 'ci', 'aws_service_role')
              THEN 'machine'
            WHEN works_like_a_program THEN 'machine'
            WHEN works_like_a_person OR signs_in THEN 'human'
            ELSE 'unknown' END AS behaviour,
       CASE WHEN principal_class IN ('aws_service', 'service_linked_role', 'root') THEN concat('its record says ', principal_class)
            WHEN works_like_a_program AND signs_in
              THEN concat('somebody signs in as it, and it works ', long_days, ' long days, weekends among them')
            WHEN principal_class IN ('human', 'human_sso', 'human_iam_user') AND NOT works_like_a_program
              THEN concat('its record says ', principal_class)
            WHEN principal_class IN ('ec2_instance', 'ssm_hybrid_node', 'lambda', 'ecs_task', 'eks_pod', 'ci', 'aws_service_role')
              THEN concat('its record says ', principal_class)
            WHEN works_like_a_program
              THEN concat(long_days, ' days of seven hours or more, weekends among them, ', agents, ' kinds of agents')
            WHEN works_like_a_person
              THEN concat(kinds_of_calls, ' kinds of calls on ', active_days, ' days, in ', hours_of_day, ' hours of the day, ',
                          weekend_days, ' days of weekends')
            WHEN signs_in THEN 'it signs in to the console'
            WHEN active_days < 5 THEN concat('seen on ', active_days, ' days: too few to tell')
            ELSE concat(kinds_of_calls, ' kinds of calls on ', active_days, ' days, in ', hours_of_day, ' hours of the day') END
         AS reason,
       active_days, weekend_days, long_days, hours_of_day, kinds_of_calls, events, own_events
FROM judged
