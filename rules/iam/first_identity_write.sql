-- +++
-- title = "{principal_name} changes identities in {account_id} for the first time"
-- severity = "medium"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["account_id"]
-- value = ["principal_key"]
-- learn = "14d"
-- min_events = 20
-- forget = "90d"
-- max_new_rate = 0.2
-- attack = ["T1098", "T1136.003", "T1078.004"]
-- cis = ["1.4.0/4.4"]
-- why = """
-- In every account the same few make users, keys, roles and policies. One who never did, be it a person, an \
-- instance or a function, is new in that circle, or is not who it seems to be."""
-- false_positives = ["a new colleague in the platform team", "a new deployment role"]
-- runbook = """
-- 1. What was changed:
--    SELECT event_time, event_name, request_user_name, request_role_name, request_policy_arn, source_ip_address
--      FROM events WHERE principal_key = '<principal_key>' AND event_source = 'iam.amazonaws.com' AND read_only =
--      false ORDER BY event_time
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Unknown: undo it, stop the credentials, look for what was made with the new rights.
-- """
-- refs = ["IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, event_name,
       request_user_name, request_role_name, request_policy_arn
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND read_only = false AND NOT actor_is_service
