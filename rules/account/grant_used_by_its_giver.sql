-- +++
-- title = "{holder} of {account_id} was given rights and used within the hour, both from {source_ip_address} by one program"
-- severity = "medium"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "holder", "source_ip_address", "client"]
-- steps = ["granted", "used"]
-- ordered = true
-- within = "1h"
-- attack = ["T1098.003", "T1078.004"]
-- cis = []
-- why = """
-- Who gives another identity rights and then works as that identity has two names. What follows stands under the second one, \
-- with rights that the first may not have had: a way up, and a way to stay when the first one is locked out."""
-- false_positives = [
--   "two people in one office with the same version of the same program: one gives, the other tries it",
--   "an administrator who sets up a role and assumes it to try it, or always works through it",
--   "a deployment that gives its next role rights and goes on as that role",
-- ]
-- runbook = """
-- 1. Who gave what, and what was done as <holder>:
--    SELECT event_time, principal_name, session_name, event_source, event_name, outcome, request_policy_arn, request_group_name
--      FROM events WHERE account_id = '<account_id>' AND source_ip_address = '<source_ip_address>' ORDER BY event_time
-- 2. Whose identity is it? Ask both the giver and its owner.
-- 3. Unknown: take the rights back, end the sessions and turn off the keys of both, and look at how the giver began.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1098.003 Account Manipulation: Additional Cloud Roles",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, event_source, event_name,
       outcome, request_policy_arn, request_group_name,
       -- Some programs name the call they make in their agent, the service, or what they use of their library.
       user_agent_client(user_agent) AS client,
       CASE WHEN event_name IN ('AttachUserPolicy', 'PutUserPolicy', 'AddUserToGroup') THEN concat('user/', request_user_name)
            WHEN event_name IN ('AttachRolePolicy', 'PutRolePolicy') THEN concat('role/', request_role_name)
            WHEN user_identity_type = 'IAMUser' THEN concat('user/', user_identity_user_name)
            ELSE concat('role/', session_issuer_user_name) END AS holder,
       CASE WHEN event_name IN ('AttachUserPolicy', 'PutUserPolicy', 'AddUserToGroup', 'AttachRolePolicy', 'PutRolePolicy')
            THEN 'granted' ELSE 'used' END AS step
FROM events
WHERE NOT actor_is_service AND user_agent_family NOT IN ('browser', 'console')
  AND ((event_source = 'iam.amazonaws.com' AND outcome = 'success'
        AND ((event_name IN ('AttachUserPolicy', 'PutUserPolicy', 'AddUserToGroup')
              AND request_user_name <> coalesce(user_identity_user_name, ''))
             OR (event_name IN ('AttachRolePolicy', 'PutRolePolicy')
                 AND request_role_name <> coalesce(session_issuer_user_name, ''))))
       -- Whoever has new rights looks what they are worth, or uses them.
       OR (user_identity_type IN ('IAMUser', 'AssumedRole')
           AND principal_class NOT IN ('ec2_instance', 'lambda', 'ecs_task', 'eks_pod', 'ssm_hybrid_node', 'aws_service_role')
           AND event_name NOT IN ('AttachUserPolicy', 'PutUserPolicy', 'AddUserToGroup', 'AttachRolePolicy', 'PutRolePolicy')
           AND (read_only = false
                OR (event_source IN ('sts.amazonaws.com', 'iam.amazonaws.com', 's3.amazonaws.com', 'secretsmanager.amazonaws.com')
                    AND event_name IN ('GetCallerIdentity', 'ListUsers', 'ListRoles', 'ListBuckets', 'GetSecretValue')))))
