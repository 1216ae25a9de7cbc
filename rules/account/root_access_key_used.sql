-- +++
-- title = "Account {account_id}: root's own access key {user_identity_access_key_id} was used from {source_ip_address}"
-- severity = "critical"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key", "user_identity_access_key_id"]
-- attack = ["T1078.004", "T1552.001"]
-- cis = ["1.4.0/1.4", "1.4.0/4.3"]
-- why = """
-- A long-lived key of root cannot be restricted by any policy of the account. It should not exist; here it is in \
-- use."""
-- false_positives = ["a forgotten backup job from the time before IAM: still to be removed"]
-- runbook = """
-- 1. What does it do and from where:
--    SELECT event_source, event_name, source_ip_address, user_agent, count(*) FROM events WHERE
--      user_identity_access_key_id = '<key>' GROUP BY 1, 2, 3, 4
-- 2. Deactivate the key (sign in as root, or by central root access).
-- 3. If the place is unknown: look at every write of the last ninety days by root.
-- """
-- refs = [
--   "IAM User Guide: Root user best practices for your AWS account",
--   "AWS Security Hub User Guide: IAM.4 IAM root user access key should not exist",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_access_key_id, event_source, event_name, outcome
FROM events
WHERE user_identity_type = 'Root' AND starts_with(user_identity_access_key_id, 'AKIA') AND NOT actor_is_service
