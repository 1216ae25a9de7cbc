-- +++
-- title = "An access key for root of account {account_id} was created from {source_ip_address}"
-- severity = "critical"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key"]
-- attack = ["T1098.001"]
-- cis = ["1.4.0/1.4", "1.2.0/1.12"]
-- why = "A root key is unlimited, long-lived and needs no second factor. There is no task that needs one."
-- false_positives = ["none worth keeping: whoever made it should remove it"]
-- runbook = """
-- 1. Delete the key now (sign in as root, or by central root access).
-- 2. Was it used:
--    SELECT event_time, event_source, event_name, source_ip_address FROM events WHERE principal_key =
--      'root:<account_id>' AND starts_with(user_identity_access_key_id, 'AKIA') ORDER BY event_time
-- 3. Who signed in before it, and from where?
-- """
-- refs = [
--   "IAM User Guide: Root user best practices for your AWS account",
--   "AWS Security Hub User Guide: IAM.4 IAM root user access key should not exist",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       response_access_key_id
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'CreateAccessKey'
  AND outcome = 'success' AND NOT actor_is_service
  AND user_identity_type = 'Root' AND request_user_name IS NULL
