-- +++
-- title = "Key {access_key} of {principal_name} is used from {source_network}, where it never was before"
-- severity = "low"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["access_key"]
-- value = ["source_network"]
-- learn = "14d"
-- min_events = 100
-- forget = "60d"
-- max_new_rate = 0.01
-- attack = ["T1078.004", "T1552.001"]
-- cis = []
-- why = """
-- A long-lived key sits in one place and works from there. Seen in a network where it never was, it has been \
-- copied, or its program or its owner has moved. With a client that is new, too, it is graver: \
-- account/access_key_in_new_hands. Refused calls count: a thief's first ones often fail."""
-- false_positives = [
--   "the machine has moved, or the network got another way out",
--   "a laptop on a journey: such a key should be a role",
-- ]
-- runbook = """
-- 1. What was done from there, and what before:
--    SELECT source_network, source_country, user_agent_family, event_name, outcome, count(*), min(event_time) FROM
--      events WHERE user_identity_access_key_id = '<access_key>' GROUP BY 1, 2, 3, 4, 5 ORDER BY 7
-- 2. GetCallerIdentity or lists first? That is somebody who does not know what the key is.
-- 3. Unknown: deactivate the key; it is the owner's turn to find where it leaked.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts", "AWS Security Incident Response Guide"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_access_key_id AS access_key, source_network, source_country, event_name, outcome
FROM events
WHERE user_identity_access_key_id LIKE 'AKIA%' AND source_kind = 'public'
  -- Who signs wrongly does not have the key.
  AND (error_code IS NULL OR error_code NOT IN ('InvalidClientTokenId', 'SignatureDoesNotMatch', 'IncompleteSignature'))
  AND NOT in_site('vpn', source_ip_address, event_time)
  AND NOT in_site('vendor_networks', source_network, event_time)
