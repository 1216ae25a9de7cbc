-- +++
-- title = "{principal_name} in {account_id} was refused {denied} of {calls} calls in a week, {apis} different ones"
-- severity = "medium"
-- status = "stable"
-- kind = "query"
-- entity = ["principal_key"]
-- every = "1d"
-- over = "7d"
-- attack = ["T1526", "T1580", "T1087.004"]
-- cis = []
-- why = """
-- Who holds stolen keys finds out what they can do by trying. Slowly done, it stays under every bound on an hour; but \
-- no program goes on for days with most of its calls refused, and not with a dozen different ones."""
-- false_positives = ["a new program whose permissions were forgotten", "somebody who explores with a read-only role"]
-- runbook = """
-- 1. What was tried, when, from where:
--    SELECT event_time, event_source, event_name, outcome, source_network, user_agent FROM events WHERE
--      principal_key = '<principal_key>' AND event_time > now() - INTERVAL '8 days' ORDER BY event_time
-- 2. What did work, and is any of it a change? (outcome = 'success' AND read_only = false)
-- 3. An identity that only tries is not needed, or not in its owner's hands: turn its keys off.
-- """
-- refs = ["MITRE ATT&CK T1580 Cloud Infrastructure Discovery"]
-- +++
-- Who it is follows from the hourly counts; events are read of those only.
WITH prober AS (
  SELECT principal_key, min(account_id) AS account_id, min(principal_name) AS principal_name,
         sum(events) AS calls, sum(events) FILTER (WHERE outcome = 'denied') AS denied,
         count(DISTINCT event_name) FILTER (WHERE outcome = 'denied') AS apis,
         count(DISTINCT event_date) FILTER (WHERE outcome = 'denied') AS days,
         count(DISTINCT source_network) AS networks
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to AND NOT actor_is_service
  GROUP BY principal_key
  HAVING sum(events) FILTER (WHERE outcome = 'denied') * 2 > sum(events)
     AND count(DISTINCT event_name) FILTER (WHERE outcome = 'denied') >= 12
     AND count(DISTINCT event_date) FILTER (WHERE outcome = 'denied') >= 3
)
SELECT prober.principal_key, prober.account_id, prober.principal_name, calls, denied, apis, days, networks,
       count(*) AS count, array_agg(event_id) AS event_ids
FROM prober JOIN events USING (principal_key)
WHERE event_time >= $from AND event_time < $to AND outcome = 'denied' AND NOT actor_is_service
GROUP BY prober.principal_key, prober.account_id, prober.principal_name, calls, denied, apis, days, networks
