-- +++
-- title = "{hand} changes identities for the first time, in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["circle"]
-- value = ["hand"]
-- learn = "14d"
-- min_events = 20
-- forget = "90d"
-- max_new_rate = 0.2
-- attack = ["T1098", "T1136.003", "T1078.004"]
-- cis = ["1.4.0/4.4"]
-- why = """
-- The same few make users, keys, roles and policies, in all accounts: pipelines, the administrators' permission set. One \
-- who never did anywhere, be it a person, an instance or a function, is new in that circle, or is not who it seems to \
-- be. A role counts by its name, so that the same one in another account is not new, and all pipelines are one. What users do to their own keys \
-- and factors is left out."""
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
       request_user_name, request_role_name, request_policy_arn,
       'identities' AS circle,
       CASE WHEN principal_class = 'ci' THEN 'a pipeline' WHEN user_identity_type = 'AssumedRole'
            THEN regexp_replace(principal_name, '^(AWSReservedSSO_.*)_[0-9a-f]{16}$', '\1') ELSE principal_key END AS hand
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND read_only = false AND NOT actor_is_service
  AND NOT (event_name IN ('ChangePassword', 'CreateAccessKey', 'UpdateAccessKey', 'DeleteAccessKey', 'CreateVirtualMFADevice',
                          'EnableMFADevice', 'ResyncMFADevice', 'DeactivateMFADevice', 'DeleteVirtualMFADevice')
           AND coalesce(request_user_name, user_identity_user_name, '') = coalesce(user_identity_user_name, '-'))
