-- +++
-- title = "Somebody in {source_network}, where {principal_name} of {account_id} never was, knows the password and gave no second factor"
-- severity = "high"
-- status = "stable"
-- kind = "query"
-- entity = ["principal_key", "source_network"]
-- every = "1d"
-- over = "30d"
-- attack = ["T1078.004", "T1110"]
-- cis = []
-- why = """
-- The console asks for the factor only once the password was right. Asked in a network in which the user did nothing for a \
-- month, and not answered within ten minutes: that is hardly a forgotten device."""
-- false_positives = ["somebody on a journey whose device was left at home"]
-- runbook = """
-- 1. Where is the user usually:
--    SELECT source_network, source_country, sum(events), max(last_time) FROM activity WHERE principal_key = '<principal_key>'
--      GROUP BY 1, 2 ORDER BY 3 DESC
-- 2. Ask the user by another way. Not them: reset the password now, and everywhere else where it was used.
-- 3. What else came from that network?
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events"]
-- +++
-- The last ten minutes of a slot are judged with the next one, when what may follow is there.
WITH step AS (
  SELECT event_id, event_time, event_name, account_id, principal_key, principal_name, source_network,
         source_kind = 'public' AND NOT in_site('vpn', source_ip_address, event_time) AS says_where
  FROM events
  WHERE event_time BETWEEN $to - INTERVAL '1450 minutes' AND $to
    AND event_source = 'signin.amazonaws.com' AND outcome = 'success'
), asked AS (
  SELECT * FROM step WHERE event_name = 'CheckMfa' AND event_time < $to - INTERVAL '10 minutes' AND says_where
), place AS (
  SELECT principal_key, source_network, sum(events) AS calls
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to - INTERVAL '25 hours' AND NOT actor_is_service
    AND outcome = 'success' AND event_name <> 'CheckMfa'
  GROUP BY principal_key, source_network
), person AS (
  SELECT principal_key, sum(calls) AS calls FROM place GROUP BY principal_key
)
SELECT asked.principal_key, asked.source_network, min(asked.account_id) AS account_id,
       min(asked.principal_name) AS principal_name, count(*) AS count, array_agg(asked.event_id) AS event_ids
FROM asked JOIN person ON person.principal_key = asked.principal_key AND person.calls >= 20
WHERE NOT EXISTS (SELECT 1 FROM place WHERE place.principal_key = asked.principal_key
                    AND place.source_network = asked.source_network)
  AND NOT EXISTS (SELECT 1 FROM step AS entered WHERE entered.event_name = 'ConsoleLogin'
                    AND entered.principal_key = asked.principal_key AND entered.event_time >= asked.event_time
                    AND entered.event_time <= asked.event_time + INTERVAL '10 minutes')
GROUP BY asked.principal_key, asked.source_network
