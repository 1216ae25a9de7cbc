-- +++
-- title = "{principal_name} called {event_name} in {account_id} with parameters too large to be recorded"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562.008", "T1027"]
-- cis = []
-- why = """
-- CloudTrail leaves out parameters above 100 KB. No honest policy is that long; padding one with spaces hides what \
-- it grants."""
-- false_positives = ["none known: IAM itself takes no more than some ten kilobytes of policy, spaces aside"]
-- runbook = """
-- 1. Read the policy where it now stands, with the IAM or S3 API.
-- 2. What did the caller do before and since:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- 3. Treat it as hidden on purpose until shown otherwise.
-- """
-- refs = ["AWS CloudTrail User Guide: CloudTrail record contents (omitted fields)"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, outcome, json_text(request_parameters, 'originalSize') AS size_bytes
FROM events
WHERE NOT actor_is_service
  AND event_name IN ('PutUserPolicy', 'PutRolePolicy', 'PutGroupPolicy', 'CreatePolicy', 'CreatePolicyVersion',
                      'CreateRole', 'UpdateAssumeRolePolicy', 'PutBucketPolicy', 'PutKeyPolicy')
  AND json_text(request_parameters, 'omitted') = 'true'
