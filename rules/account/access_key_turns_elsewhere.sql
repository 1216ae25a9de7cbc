-- +++
-- title = "Key {access_key} of {principal_name} asks for {area} from {source_network}, both new for it"
-- severity = "high"
-- severity_if = { "holder = a person at a computer" = "low" }
-- status = "stable"
-- kind = "first_seen"
-- entity = ["access_key"]
-- value = ["source_network", "area"]
-- each = true
-- learn = "14d"
-- min_events = 100
-- forget = "60d"
-- max_new_rate = 0.01
-- attack = ["T1078.004", "T1087.004", "T1555.006"]
-- cis = []
-- why = """
-- A program that moves goes on with its work. A long-lived key that is in a network where it never was, and there asks who it \
-- is, for secrets, identities or models, for which it never asked, has a new holder who looks what it is good for, whatever \
-- client they use. Refused calls count: a thief's first ones often fail."""
-- false_positives = ["a new version of the program, rolled out in a new place", "its owner tries something new on a journey"]
-- runbook = """
-- 1. What was done from there, and what before:
--    SELECT source_network, source_country, user_agent, event_source, event_name, outcome, count(*), min(event_time) FROM
--      events WHERE user_identity_access_key_id = '<access_key>' GROUP BY 1, 2, 3, 4, 5, 6 ORDER BY 8
-- 2. Not its owner: deactivate the key; take for known what was read.
-- 3. How did it leak: a repository, a build log, a laptop?
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts", "AWS Security Incident Response Guide"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_access_key_id AS access_key, source_network, source_country, event_name, outcome,
       CASE WHEN event_source = 'sts.amazonaws.com' AND event_name = 'GetCallerIdentity' THEN 'who it is'
            WHEN event_source = 'secretsmanager.amazonaws.com' THEN 'secrets'
            WHEN event_source = 'ssm.amazonaws.com' THEN 'parameters'
            WHEN event_source = 'iam.amazonaws.com' THEN 'identities'
            WHEN event_source = 'organizations.amazonaws.com' THEN 'accounts'
            WHEN event_source = 'bedrock.amazonaws.com' THEN 'models'
            ELSE 'its work' END AS area,
       CASE WHEN user_agent_os IN ('macos', 'windows') AND user_agent_family IN ('aws-cli', 'cloudformation')
            THEN 'a person at a computer' END AS holder
FROM events
WHERE user_identity_access_key_id LIKE 'AKIA%' AND source_kind = 'public'
  -- Who signs wrongly does not have the key.
  AND (error_code IS NULL OR error_code NOT IN ('InvalidClientTokenId', 'SignatureDoesNotMatch', 'IncompleteSignature'))
  AND NOT in_site('vpn', source_ip_address, event_time)
  AND NOT in_site('vendor_networks', source_network, event_time)
