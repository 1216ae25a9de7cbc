-- +++
-- title = "Key {user_identity_access_key_id} of {principal_name} was at work on three operating systems on a day"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["user_identity_access_key_id"]
-- window = "1d"
-- having = ["distinct(user_agent_os) >= 3"]
-- attack = ["T1552.001", "T1078.004"]
-- cis = []
-- why = """
-- A key belongs to one program or one person. Two systems may be a laptop with a container on it; three on a day are \
-- several holders."""
-- false_positives = ["somebody who tries a library on all systems"]
-- runbook = """
-- 1. Who holds it:
--    SELECT user_agent_os, source_network, user_agent_family, min(event_time), max(event_time), count(*) FROM events WHERE
--      user_identity_access_key_id = '<user_identity_access_key_id>' GROUP BY 1, 2, 3 ORDER BY 4
-- 2. Give each holder credentials of their own; deactivate this key.
-- """
-- refs = ["AWS Well-Architected Framework: SEC02-BP02 Use temporary credentials"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, user_agent_os,
       user_identity_access_key_id, outcome
FROM events
WHERE starts_with(user_identity_access_key_id, 'AKIA') AND NOT actor_is_service
  -- Who signs wrongly does not have the key.
  AND (error_code IS NULL OR error_code NOT IN ('InvalidClientTokenId', 'SignatureDoesNotMatch', 'IncompleteSignature'))
