-- +++
-- title = "{principal_name} made {version} the version in force of {request_policy_arn}"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_policy_arn"]
-- attack = ["T1098.003", "T1548"]
-- cis = ["1.4.0/4.4"]
-- why = """
-- An older version may grant more than the present one, or lack a denial, and no document is put that could be \
-- read here."""
-- false_positives = ["a change that is rolled back"]
-- runbook = """
-- 1. Read that version with the IAM API.
-- 2. Does the caller have the policy itself?
-- 3. What was done since:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time
-- """
-- refs = ["IAM User Guide: Versioning IAM policies"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_policy_arn, json_text(request_parameters, 'versionId') AS version
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name = 'SetDefaultPolicyVersion'
