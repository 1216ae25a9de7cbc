-- +++
-- title = "The key made for user {key_user} is used from {source_ip_address}, where it was made"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["source_ip_address", "access_key"]
-- window = "24h"
-- having = ["distinct(step) >= 2"]
-- attack = ["T1098.001", "T1078.004"]
-- cis = []
-- why = """
-- A key is made for somebody else's user and then used from the very address at which it was made, for whatever: it \
-- was not handed over, its maker wears it."""
-- false_positives = ["an administrator who tries a key before handing it over", "an office behind one address"]
-- runbook = """
-- 1. Who made it, and what has the key done since:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE
--      user_identity_access_key_id = '<access_key>' ORDER BY event_time
-- 2. Does the maker have a reason to act as this user?
-- 3. Unknown: deactivate the key, then the maker's credentials.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1098.001 Additional Cloud Credentials",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_source, event_name,
       CASE event_name WHEN 'CreateAccessKey' THEN response_access_key_id ELSE user_identity_access_key_id END AS access_key,
       coalesce(request_user_name, user_identity_user_name) AS key_user,
       CASE event_name WHEN 'CreateAccessKey' THEN 'made' ELSE 'used' END AS step
FROM events
WHERE NOT actor_is_service
  AND ((event_source = 'iam.amazonaws.com' AND event_name = 'CreateAccessKey'
        AND request_user_name <> coalesce(user_identity_user_name, ''))
       OR (user_identity_access_key_id LIKE 'AKIA%' AND event_name <> 'CreateAccessKey'))
