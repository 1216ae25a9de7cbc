-- +++
-- title = "A session that user {user_identity_user_name} opened went on from role to role out of {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["link"]
-- window = "24h"
-- having = ["distinct(step) >= 2"]
-- attack = ["T1548.005", "T1078.004", "T1021.007"]
-- cis = []
-- why = """
-- A user's key opens a role, and the role's session opens the next. Each step wears another name, and only the \
-- chain shows that one key stands behind all of it."""
-- false_positives = ["a set-up in which users enter by one role and work in others"]
-- runbook = """
-- 1. The chain, forwards from the user's key:
--    SELECT event_time, principal_key, user_identity_access_key_id, request_role_arn, response_access_key_id,
--      source_ip_address FROM events WHERE event_name = 'AssumeRole' AND (user_identity_access_key_id = '<link>'
--      OR response_access_key_id = '<link>') ORDER BY event_time
-- 2. What did the last session do, in which account?
-- 3. Unknown: deactivate the user's key, revoke the sessions of every role on the way.
-- """
-- refs = ["IAM User Guide: Roles terms and concepts, role chaining"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_user_name, request_role_arn,
       CASE user_identity_type WHEN 'IAMUser' THEN response_access_key_id ELSE user_identity_access_key_id END AS link,
       CASE user_identity_type WHEN 'IAMUser' THEN 'opened' ELSE 'went_on' END AS step
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name = 'AssumeRole' AND NOT actor_is_service
  AND (user_identity_type <> 'IAMUser' OR outcome = 'success')
