-- +++
-- title = "{target} of {account_id} signed in without a second factor soon after it had been removed"
-- severity = "high"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "target"]
-- steps = ["removed", "signed_in"]
-- within = "24h"
-- attack = ["T1556.006", "T1078.004"]
-- cis = []
-- why = "The factor went, and the next sign-in needed none: this is how a known password becomes a session."
-- false_positives = ["a help desk that resets a lost device and lets the user in before a new one is enrolled"]
-- runbook = """
-- 1. Who removed it, from where:
--    SELECT event_time, event_name, principal_name, source_ip_address, mfa_used FROM events WHERE account_id =
--      '<account_id>' AND (request_user_name = '<target>' OR user_identity_user_name = '<target>') ORDER BY
--      event_time
-- 2. Is there a ticket? Ask the user by telephone.
-- 3. No ticket: end the session, disable the password, look at whoever removed the factor.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1556.006 Multi-Factor Authentication",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       coalesce(request_user_name, user_identity_user_name) AS target,
       CASE event_name WHEN 'DeactivateMFADevice' THEN 'removed' ELSE 'signed_in' END AS step
FROM events
WHERE outcome = 'success' AND NOT actor_is_service
  AND ((event_source = 'iam.amazonaws.com' AND event_name = 'DeactivateMFADevice')
       OR (event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND mfa_used IS NOT TRUE))
