-- +++
-- title = "{principal_name} created IAM user {request_user_name} in {account_id}"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_user_name"]
-- attack = ["T1136.003"]
-- cis = []
-- why = """
-- IAM users have long-lived credentials. People should come from a directory and programs should have roles, so a \
-- new user is rare and worth a look."""
-- false_positives = ["a vendor that can only use keys"]
-- runbook = """
-- 1. Who asked for it?
-- 2. What did it get:
--    SELECT event_time, event_name, request_policy_arn FROM events WHERE request_user_name = '<request_user_name>'
--      AND event_source = 'iam.amazonaws.com' ORDER BY event_time
-- 3. Unknown: attach a deny of everything, then look at the caller.
-- """
-- refs = ["IAM User Guide: Security best practices in IAM"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_user_name
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'CreateUser' AND outcome = 'success' AND NOT actor_is_service
