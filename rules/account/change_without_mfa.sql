-- +++
-- title = "{principal_name} changed who may do what in {account_id}, in a session without a second factor"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key"]
-- attack = ["T1098", "T1078.004"]
-- cis = ["1.4.0/4.2"]
-- why = """
-- A session of a user that began with a password alone, or with a key alone, changes identities, keys' policies or the trail. \
-- Roles say nothing of second factors and long-term keys cannot, so only sessions that could have had one count."""
-- false_positives = ["a program that asks for a session token with its own key"]
-- runbook = """
-- 1. What was changed, from where:
--    SELECT event_time, event_source, event_name, source_ip_address, user_agent, outcome FROM events WHERE principal_key =
--      '<principal_key>' AND NOT session_mfa_authenticated AND read_only = false ORDER BY event_time
-- 2. Deny such calls without aws:MultiFactorAuthPresent, as IAM's guide shows.
-- """
-- refs = ["IAM User Guide: Secure API access with MFA"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, outcome
FROM events
WHERE user_identity_type = 'IAMUser' AND starts_with(user_identity_access_key_id, 'ASIA') AND NOT session_mfa_authenticated
  AND NOT actor_is_service AND NOT read_only AND outcome <> 'failure'
  AND (event_source = 'iam.amazonaws.com' AND NOT event_name IN ('ChangePassword', 'CreateVirtualMFADevice', 'EnableMFADevice')
       OR event_source = 'kms.amazonaws.com' AND event_name IN ('CreateGrant', 'PutKeyPolicy')
       OR event_source = 'cloudtrail.amazonaws.com')
