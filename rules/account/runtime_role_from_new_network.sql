-- +++
-- title = """
-- Credentials that {principal_name} was given as a function, task or pod are used from {new_networks}, where no machine \
-- of yours is"""
-- severity = "high"
-- status = "stable"
-- kind = "query"
-- entity = ["principal_key"]
-- every = "1d"
-- over = "31d"
-- attack = ["T1552.005", "T1078.004"]
-- cis = []
-- why = """
-- What a function or a container is given as credentials stays with it: it calls from its own networks, which it has in \
-- common with your other machines. The same session in a network where none of them ever was, with another client or while \
-- the role works on at home, was read from its environment or its metadata and carried away. Outside, nothing in the record says any more what \
-- kind of machine it was; its role and the name of its session still do."""
-- false_positives = [
--   "a new way to the internet through the company's own provider, for some of the tasks only",
--   "a developer who runs the program at home with the task's own credentials: give developers a role of their own",
-- ]
-- runbook = """
-- 1. What was done from there, with which client:
--    SELECT event_time, session_name, source_ip_address, source_as_org, user_agent, event_source, event_name, outcome FROM
--      events WHERE principal_key = '<principal_key>' AND source_network IN ('<new network>') ORDER BY event_time
-- 2. Not a network of yours: revoke the role's sessions, and close the way by which the credentials were read (a request
--    that the program makes for others, a library, a shell in the container).
-- 3. Take for known what the role could read: secrets, parameters, objects.
-- """
-- refs = [
--   "MITRE ATT&CK T1552.005 Cloud Instance Metadata API",
--   "Amazon GuardDuty User Guide: UnauthorizedAccess:IAMUser/ResourceCredentialExfiltration.OutsideAWS",
-- ]
-- +++
-- Which roles of functions and containers have a network that joined since yesterday, and is no other machine's, follows from the
-- hourly counts.
WITH network AS (
  SELECT source_network, min(first_time) AS first_machine
  FROM activity
  WHERE event_hour BETWEEN $from AND $to
    AND principal_class IN ('ec2_instance', 'lambda', 'ecs_task', 'eks_pod')
  GROUP BY source_network
), place AS (
  SELECT principal_key, source_network, min(first_time) >= $to - INTERVAL '2 days' AS is_new,
         max(min(first_time)) OVER role AS newest, min(min(first_time)) OVER role AS since,
         sum(sum(events) FILTER (WHERE event_hour < $to - INTERVAL '1 day'
                                   AND principal_class IN ('lambda', 'ecs_task', 'eks_pod'))) OVER role AS known_calls,
         sum(CASE WHEN min(first_time) < $to - INTERVAL '2 days' THEN 1 ELSE 0 END) OVER role AS known_networks
  FROM activity
  WHERE event_hour BETWEEN $from AND $to AND NOT actor_is_service
  GROUP BY principal_key, source_network
  WINDOW role AS (PARTITION BY principal_key)
), call AS (
  SELECT event_id, event_time, account_id, events.principal_key, principal_name, events.source_network, source_country,
         user_agent_family, known_networks, known_calls,
         is_new AND source_kind = 'public' AND NOT in_site('vpn', source_ip_address, event_time)
           AND (first_machine IS NULL OR first_machine >= $to - INTERVAL '2 days') AS outside,
         -- A person or a pipeline that puts the role on calls the session otherwise.
         bool_or(principal_class IN ('lambda', 'ecs_task', 'eks_pod'))
           OVER (PARTITION BY events.principal_key, session_name) AS of_runtime
  FROM events
  JOIN place ON events.principal_key = place.principal_key AND events.source_network = place.source_network
    AND newest >= $to - INTERVAL '2 days' AND since < $to - INTERVAL '8 days'
    -- Without a GeoIP file functions are in another network every day; nothing follows from the next one.
    AND known_calls >= 50 * (known_networks + 1)
  LEFT JOIN network ON events.source_network = network.source_network
  WHERE event_time >= $to - INTERVAL '1 day' AND event_time < $to AND NOT actor_is_service
), role AS (
  SELECT principal_key, min(account_id) AS account_id, min(principal_name) AS principal_name,
         min(event_time) FILTER (WHERE outside) AS first_outside, max(event_time) FILTER (WHERE NOT outside) AS last_at_home,
         array_agg(DISTINCT source_network ORDER BY source_network) FILTER (WHERE outside) AS new_networks,
         array_agg(DISTINCT source_country ORDER BY source_country) FILTER (WHERE outside) AS new_countries,
         array_agg(DISTINCT user_agent_family ORDER BY user_agent_family) FILTER (WHERE outside) AS new_clients,
         array_agg(DISTINCT user_agent_family ORDER BY user_agent_family) FILTER (WHERE NOT outside) AS known_clients,
         max(known_networks) AS known_networks, max(known_calls) AS known_calls,
         count(*) FILTER (WHERE outside) AS count, array_agg(event_id) FILTER (WHERE outside) AS event_ids
  FROM call
  WHERE of_runtime
  GROUP BY principal_key
)
SELECT principal_key, account_id, principal_name, array_to_string(new_networks, ', ') AS new_networks, new_countries,
       new_clients, known_clients, known_networks, known_calls, count, event_ids
FROM role
-- What moves leaves the old place behind and keeps its client.
WHERE last_at_home > first_outside OR NOT array_has_any(new_clients, known_clients)
