-- +++
-- title = "{principal_name} created an access key for user {request_user_name} in {account_id}"
-- severity = "medium"
-- severity_if = { "maker = an administrator of the directory" = "low" }
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_user_name"]
-- attack = ["T1098.001"]
-- cis = []
-- why = """
-- A key made for somebody else's user outlives the session that made it and acts under another name: the usual way \
-- to stay. An administrator who signed in at the directory is known by name and provisions users for a living; who has \
-- taken such a session is found by where it is used from, and by account/new_key_used_by_its_maker."""
-- false_positives = ["a pipeline that provisions users for programs"]
-- runbook = """
-- 1. Is the caller somebody who provisions users?
-- 2. Where was the new key used first:
--    SELECT event_time, event_name, source_ip_address, user_agent FROM events WHERE user_identity_access_key_id =
--      '<response_access_key_id>' ORDER BY event_time LIMIT 20
-- 3. Unknown: deactivate the key, then look at what else the caller did.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1098.001 Additional Cloud Credentials",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_user_name, response_access_key_id,
       CASE WHEN principal_class = 'human_sso' THEN 'an administrator of the directory' END AS maker
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'CreateAccessKey'
  AND outcome = 'success' AND NOT actor_is_service
  AND request_user_name <> coalesce(user_identity_user_name, '')
