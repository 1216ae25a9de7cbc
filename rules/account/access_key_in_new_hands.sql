-- +++
-- title = "Key {access_key} of {principal_name} is used from {source_network} by {client}, both new for it"
-- severity = "medium"
-- severity_if = { "holder = a person at a computer" = "low", "reach = identities, secrets or models" = "high" }
-- status = "stable"
-- kind = "first_seen"
-- entity = ["access_key"]
-- value = ["source_network", "client"]
-- each = true
-- learn = "14d"
-- min_events = 100
-- forget = "60d"
-- max_new_rate = 0.01
-- attack = ["T1078.004", "T1552.001"]
-- cis = []
-- why = """
-- A program that moves takes its client along; an owner who tries something else does so where they always were. \
-- A long-lived key in a network where it never was, and there with a client that it never had, is in other hands. \
-- Refused calls count: a thief's first ones often fail."""
-- false_positives = [
--   "the program was written anew and moved on one day",
--   "its owner got another computer and works elsewhere",
-- ]
-- runbook = """
-- 1. What was done from there, and what before:
--    SELECT source_network, source_country, user_agent, event_name, outcome, count(*), min(event_time) FROM
--      events WHERE user_identity_access_key_id = '<access_key>' GROUP BY 1, 2, 3, 4, 5 ORDER BY 7
-- 2. GetCallerIdentity or lists first? That is somebody who does not know what the key is.
-- 3. Unknown: deactivate the key; it is the owner's turn to find where it leaked.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts", "AWS Security Incident Response Guide"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_access_key_id AS access_key, source_network, source_country,
       concat(user_agent_family, ' on ', coalesce(user_agent_os, 'an unknown system')) AS client, event_name, outcome,
       CASE WHEN user_agent_os IN ('macos', 'windows') AND user_agent_family IN ('aws-cli', 'cloudformation')
            THEN 'a person at a computer' END AS holder,
       CASE WHEN event_source IN ('iam.amazonaws.com', 'secretsmanager.amazonaws.com', 'bedrock.amazonaws.com')
              OR event_source = 'sts.amazonaws.com' AND event_name = 'GetCallerIdentity' THEN 'identities, secrets or models' END AS reach
FROM events
WHERE user_identity_access_key_id LIKE 'AKIA%' AND source_kind = 'public'
  -- Who signs wrongly does not have the key.
  AND (error_code IS NULL OR error_code NOT IN ('InvalidClientTokenId', 'SignatureDoesNotMatch', 'IncompleteSignature'))
  AND NOT in_site('vpn', source_ip_address, event_time)
  AND NOT in_site('vendor_networks', source_network, event_time)
