-- +++
-- title = "Key {access_key} of {principal_name} turns to {area}, where it never was before"
-- severity = "medium"
-- severity_if = { "client = a person at a computer" = "low" }
-- status = "stable"
-- kind = "first_seen"
-- entity = ["access_key"]
-- value = ["area"]
-- learn = "14d"
-- min_events = 100
-- forget = "90d"
-- max_new_rate = 0.02
-- attack = ["T1078.004", "T1087.004", "T1555.006"]
-- cis = []
-- why = """
-- A long-lived key in a program does one thing, for years. That it suddenly asks for secrets, identities, accounts or \
-- the watch over them is a new version of the program, or somebody else with the key, even in its own network and \
-- with its own client. Refused calls count."""
-- false_positives = ["a new version of the program that keeps its passwords in a new place"]
-- runbook = """
-- 1. What was asked, and from where:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      user_identity_access_key_id = '<access_key>' ORDER BY event_time DESC LIMIT 100
-- 2. Was there a release of the program? Its owner knows.
-- 3. No: deactivate the key; take the secrets that were read for known.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts", "MITRE ATT&CK T1555.006 Cloud Secrets Management Stores"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_access_key_id AS access_key, source_network, event_source, event_name, outcome,
       CASE event_source
         WHEN 'secretsmanager.amazonaws.com' THEN 'secrets' WHEN 'ssm.amazonaws.com' THEN 'parameters'
         WHEN 'iam.amazonaws.com' THEN 'identities' WHEN 'sso.amazonaws.com' THEN 'identities'
         WHEN 'identitystore.amazonaws.com' THEN 'identities' WHEN 'organizations.amazonaws.com' THEN 'accounts'
         WHEN 'account.amazonaws.com' THEN 'accounts' WHEN 'cloudtrail.amazonaws.com' THEN 'the watch'
         WHEN 'guardduty.amazonaws.com' THEN 'the watch' WHEN 'config.amazonaws.com' THEN 'the watch'
         ELSE 'its work' END AS area,
       CASE WHEN user_agent_os IN ('macos', 'windows') AND user_agent_family = 'aws-cli'
            THEN 'a person at a computer' END AS client
FROM events
WHERE user_identity_access_key_id LIKE 'AKIA%' AND NOT actor_is_service
  -- Who signs wrongly does not have the key.
  AND (error_code IS NULL OR error_code NOT IN ('InvalidClientTokenId', 'SignatureDoesNotMatch', 'IncompleteSignature'))
