-- +++
-- title = "A link signed by root of {user_identity_account_id} was used for {bucket} ({event_name})"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["user_identity_account_id", "bucket"]
-- attack = ["T1552.001", "T1078.004"]
-- cis = []
-- why = """
-- Links are signed where a key is at hand: a program or a server holds an access key of root. Whoever finds it owns \
-- the account."""
-- false_positives = ["none: root needs no access key"]
-- runbook = """
-- 1. Which key, from where:
--    SELECT user_identity_access_key_id, source_ip_address, user_agent, count(*), min(event_time) FROM events WHERE
--      user_identity_type = 'Root' AND json_text(additional_event_data, 'AuthenticationMethod') = 'QueryString'
--      GROUP BY 1, 2, 3
-- 2. Find the program that signs, give it a role, then delete the key.
-- """
-- refs = ["Amazon S3 User Guide: Download and upload objects with presigned URLs", "IAM User Guide: Root user best practices for your AWS account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, outcome, user_identity_account_id, user_identity_access_key_id,
       json_text(request_parameters, 'bucketName') AS bucket
FROM events
WHERE event_source = 's3.amazonaws.com' AND user_identity_type = 'Root' AND NOT actor_is_service
  AND json_text(additional_event_data, 'AuthenticationMethod') = 'QueryString'
