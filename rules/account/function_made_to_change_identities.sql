-- +++
-- title = "A function {function} that was made just before changes identities in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "function"]
-- steps = ["made", "identity"]
-- within = "6h"
-- attack = ["T1548.005", "T1098.003", "T1648"]
-- cis = []
-- why = """
-- Whoever may pass a strong role to a function may do through it what they may not do themselves. A function \
-- whose first hours are spent on users, keys and policies was made for that."""
-- false_positives = ["a custom resource of a stack that was deployed by hand"]
-- runbook = """
-- 1. Who made the function, with which role, and what did it do:
--    SELECT event_time, principal_key, session_name, event_name, outcome, request_user_name, request_policy_arn
--      FROM events WHERE account_id = '<account_id>' AND (session_name = '<function>' OR request_parameters LIKE
--      '%<function>%') ORDER BY event_time
-- 2. Whom do its changes serve? The maker?
-- 3. Unknown: delete the function, undo its changes, take iam:PassRole for that role away.
-- """
-- refs = [
--   "IAM User Guide: Grant a user permissions to pass a role to an AWS service",
--   "MITRE ATT&CK T1648 Serverless Execution",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, event_name, outcome,
       request_user_name, request_role_name, request_policy_arn,
       CASE event_source WHEN 'lambda.amazonaws.com' THEN json_text(request_parameters, 'functionName')
                         ELSE session_name END AS function,
       CASE event_source WHEN 'lambda.amazonaws.com' THEN 'made' ELSE 'identity' END AS step
FROM events
WHERE NOT actor_is_service
  AND ((event_source = 'lambda.amazonaws.com' AND outcome = 'success'
        AND event_name_norm = 'CreateFunction')
       OR (event_source = 'iam.amazonaws.com' AND read_only = false))
