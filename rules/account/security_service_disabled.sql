-- +++
-- title = "{principal_name} called {event_name} ({event_source}) in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_source", "event_name"]
-- attack = ["T1562.001", "T1562.008"]
-- cis = []
-- why = "One watcher less. Each is switched off by a single call, which nobody makes in passing."
-- false_positives = ["a service is given up for its cost; a test account is cleared"]
-- runbook = """
-- 1. Who decided it?
-- 2. Were others switched off too:
--    SELECT event_time, event_source, event_name, outcome FROM events WHERE principal_key = '<principal_key>' AND
--      NOT read_only ORDER BY event_time
-- 3. Unknown: enable it again and look at the caller.
-- """
-- refs = [
--   "Amazon Macie API Reference: DisableMacie",
--   "IAM Access Analyzer API Reference: DeleteAnalyzer",
--   "Amazon Inspector API Reference: Disable",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, request_parameters
FROM events
WHERE outcome = 'success' AND NOT actor_is_service
  AND (event_source = 'macie2.amazonaws.com' AND event_name = 'DisableMacie'
       OR event_source = 'access-analyzer.amazonaws.com' AND event_name = 'DeleteAnalyzer'
       OR event_source = 'inspector2.amazonaws.com' AND event_name = 'Disable'
       OR event_source = 'detective.amazonaws.com' AND event_name = 'DeleteGraph'
       OR event_source = 'bedrock.amazonaws.com' AND event_name = 'DeleteModelInvocationLoggingConfiguration'
       OR event_source = 'route53resolver.amazonaws.com' AND event_name = 'DeleteResolverQueryLogConfig')
