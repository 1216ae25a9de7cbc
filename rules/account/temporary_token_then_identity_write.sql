-- +++
-- title = "A token that {principal_name} made for itself is used to change identities in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["token_key"]
-- window = "24h"
-- having = ["distinct(step) >= 2"]
-- attack = ["T1078.004", "T1550.001", "T1098"]
-- cis = []
-- why = """
-- A session token made from a key without a second factor outlives the key: deactivating the key does not end it \
-- at once. Changing identities with it, or trying to, is what a thief does who expects to be shut out."""
-- false_positives = ["a script that always fetches a token first: have it use a role"]
-- runbook = """
-- 1. What was done with the token:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE
--      user_identity_access_key_id = '<token_key>' ORDER BY event_time
-- 2. Unknown: deactivate the key and deny the user everything by policy, since the token lives on.
-- 3. Undo what was made.
-- """
-- refs = ["IAM User Guide: Permissions for GetSessionToken", "MITRE ATT&CK T1550.001 Application Access Token"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_source, event_name, outcome,
       CASE event_source WHEN 'sts.amazonaws.com' THEN response_access_key_id ELSE user_identity_access_key_id END AS token_key,
       CASE event_source WHEN 'sts.amazonaws.com' THEN 'token' ELSE 'write' END AS step
FROM events
WHERE NOT actor_is_service
  AND ((event_source = 'sts.amazonaws.com' AND event_name IN ('GetSessionToken', 'GetFederationToken')
        AND request_serial_number IS NULL AND outcome = 'success')
       OR (event_source = 'iam.amazonaws.com' AND read_only = false))
