-- +++
-- title = "{principal_name} took AWS's quarantine off user {request_user_name} in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_user_name"]
-- attack = ["T1562.001", "T1098"]
-- cis = []
-- why = """
-- The quarantine marks a key that the public has read. Whoever takes it off should have rotated the key first; an \
-- attacker does not."""
-- false_positives = ["the last step of a proper clean-up"]
-- runbook = """
-- 1. Are the old keys deleted:
--    SELECT event_time, event_name, request_access_key_id FROM events WHERE request_user_name =
--      '<request_user_name>' AND event_name IN ('CreateAccessKey', 'UpdateAccessKey', 'DeleteAccessKey') ORDER BY
--      event_time
-- 2. Is the caller one of those who clean up?
-- 3. Otherwise deactivate the keys.
-- """
-- refs = ["AWS Managed Policy Reference: AWSCompromisedKeyQuarantineV3"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_user_name
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name = 'DetachUserPolicy' AND request_policy_arn LIKE '%:aws:policy/AWSCompromisedKeyQuarantine%'
       OR event_name = 'DeleteUserPolicy' AND request_policy_name = 'AWSExposedCredentialPolicy_DO_NOT_REMOVE')
