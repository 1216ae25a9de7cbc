-- +++
-- title = "{principal_name} changed where trail {trail} of {account_id} delivers or how it is encrypted"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "trail"]
-- attack = ["T1562.008"]
-- cis = ["1.4.0/4.5"]
-- why = "A trail that writes to another bucket, or with a key that its readers cannot use, still runs but tells nobody."
-- false_positives = ["the console, which sends all settings of a trail again whatever was edited"]
-- runbook = """
-- 1. Compare with the setting before:
--    SELECT event_time, event_name, principal_key, request_parameters FROM events WHERE event_source =
--      'cloudtrail.amazonaws.com' AND NOT read_only ORDER BY event_time
-- 2. Do files still arrive where they are read?
-- 3. Unknown: put it back and look at the caller.
-- """
-- refs = ["AWS CloudTrail User Guide: UpdateTrail API reference"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_name AS trail, request_parameters
FROM events
WHERE event_source = 'cloudtrail.amazonaws.com' AND event_name = 'UpdateTrail'
  AND outcome = 'success' AND NOT actor_is_service
  AND coalesce(json_text(request_parameters, 's3BucketName'), json_text(request_parameters, 'kmsKeyId'),
               json_text(request_parameters, 'cloudWatchLogsLogGroupArn')) IS NOT NULL
