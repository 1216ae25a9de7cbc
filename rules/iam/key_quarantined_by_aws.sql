-- +++
-- title = "AWS found an access key of {request_user_name} ({account_id}) in public and quarantined it"
-- severity = "critical"
-- status = "stable"
-- kind = "match"
-- entity = ["account_id", "request_user_name"]
-- attack = ["T1552.001", "T1078.004"]
-- cis = []
-- why = """
-- AWS attaches this policy when it sees a key in a public place. The policy stops only some calls: the key still \
-- works, and others have read it too."""
-- false_positives = ["none: the key is public"]
-- runbook = """
-- 1. Deactivate all keys of the user.
-- 2. What was done with them, back to when the key became public:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address, user_agent FROM events WHERE
--      user_identity_user_name = '<request_user_name>' ORDER BY event_time
-- 3. Look for new users, keys, roles and instances in every region; remove the key from where it lay.
-- """
-- refs = [
--   "AWS Managed Policy Reference: AWSCompromisedKeyQuarantineV3",
--   "AWS re:Post: What do I do if I notice unauthorized activity in my AWS account?",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_user_name, request_policy_arn, request_policy_name
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success'
  AND (event_name = 'AttachUserPolicy' AND request_policy_arn LIKE '%:aws:policy/AWSCompromisedKeyQuarantine%'
       OR event_name = 'PutUserPolicy' AND request_policy_name = 'AWSExposedCredentialPolicy_DO_NOT_REMOVE')
