-- +++
-- title = "Root of account {account_id} works through {how}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["account_id", "how"]
-- attack = ["T1078.004", "T1550.001"]
-- cis = []
-- why = """
-- Root that makes temporary credentials for itself, or a federated session that stands on root, has all of root's \
-- power without a sign-in to be seen. AWS refuses to let root assume a role: that somebody tried is news, too."""
-- false_positives = ["an in-house broker of former years that signs in as root"]
-- runbook = """
-- 1. Who called, from where, and what came of it:
--    SELECT event_time, event_name, outcome, source_ip_address, user_agent, user_identity_access_key_id FROM events
--      WHERE account_id = '<account_id>' AND (user_identity_type = 'Root' OR session_issuer_arn LIKE '%:root')
--      ORDER BY event_time
-- 2. Nobody knows of it: delete root's access keys, change its password, sign all sessions out.
-- 3. Give whoever needs it a role.
-- """
-- refs = ["IAM User Guide: Root user best practices for your AWS account", "AWS STS API Reference: GetFederationToken"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, outcome, user_identity_access_key_id,
       CASE WHEN user_identity_type = 'Root' THEN event_name ELSE 'a session that stands on root' END AS how
FROM events
WHERE NOT actor_is_service
  AND (session_issuer_arn LIKE '%:root'
       OR (user_identity_type = 'Root' AND event_source = 'sts.amazonaws.com'
           AND event_name IN ('GetFederationToken', 'GetSessionToken', 'AssumeRole')))
