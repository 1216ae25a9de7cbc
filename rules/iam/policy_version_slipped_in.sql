-- +++
-- title = "{principal_name} gave policy {request_policy_arn} full rights in two steps"
-- severity = "high"
-- status = "stable"
-- kind = "sequence"
-- entity = ["principal_key"]
-- steps = ["version", "default"]
-- within = "24h"
-- same = ["request_policy_arn"]
-- attack = ["T1098.003", "T1548.005"]
-- cis = ["1.4.0/4.4"]
-- why = """
-- A version with full rights is laid beside the one in force and made the default later: either step looks \
-- small, and nobody attached anything."""
-- false_positives = ["infrastructure code that writes versions and switches them apart"]
-- runbook = """
-- 1. Read the version:
--    SELECT event_time, request_policy_document FROM events WHERE event_name = 'CreatePolicyVersion' AND
--      request_policy_arn = '<request_policy_arn>' ORDER BY event_time
-- 2. Who has this policy? The caller?
-- 3. Unknown: set the old version, delete the new one, look at what the caller did since:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE principal_key =
--      '<principal_key>' ORDER BY event_time
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "IAM User Guide: Versioning IAM policies",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_name, request_policy_arn,
       CASE event_name WHEN 'CreatePolicyVersion' THEN 'version' ELSE 'default' END AS step
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name = 'SetDefaultPolicyVersion'
       OR (event_name = 'CreatePolicyVersion' AND policy_grants_admin(request_policy_document)))
