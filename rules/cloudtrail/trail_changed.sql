-- +++
-- title = "{principal_name} called {event_name} in {account_id}"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562.008"]
-- cis = ["1.4.0/4.5"]
-- why = """
-- Trails change seldom. This is the log of every change, so that one which sends the files elsewhere or encrypts \
-- them with a foreign key is seen."""
-- false_positives = ["infrastructure code that is applied again"]
-- runbook = """
-- 1. Did the bucket, the key or the prefix change: SELECT event_time, request_parameters, response_elements FROM events WHERE event_id = '<event_id>'.
-- 2. Compare with the call before: SELECT event_time, event_name, principal_key, request_parameters FROM events WHERE event_source = 'cloudtrail.amazonaws.com' AND NOT read_only ORDER BY event_time.
-- """
-- refs = ["AWS CloudTrail User Guide: UpdateTrail API reference"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name, request_parameters
FROM events
WHERE event_source = 'cloudtrail.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('UpdateTrail', 'PutEventSelectors', 'PutInsightSelectors')
