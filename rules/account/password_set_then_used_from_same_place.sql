-- +++
-- title = "{target}'s console password in {account_id} was set and used from the same address {source_ip_address}"
-- severity = "high"
-- status = "stable"
-- kind = "sequence"
-- entity = ["account_id", "source_ip_address", "target"]
-- steps = ["set", "signed_in"]
-- within = "24h"
-- attack = ["T1098", "T1078.004"]
-- cis = []
-- why = """
-- Somebody sets another user's console password and then signs in as that user: a way around one's own rights \
-- that leaves another's name on everything."""
-- false_positives = ["an administrator and a new colleague behind the same office address"]
-- runbook = """
-- 1. Who set it, who signed in, with which browser:
--    SELECT event_time, event_name, principal_name, user_agent, mfa_used FROM events WHERE account_id =
--      '<account_id>' AND source_ip_address = '<source_ip_address>' AND (request_user_name = '<target>' OR
--      user_identity_user_name = '<target>') ORDER BY event_time
-- 2. Ask the user whether it was them.
-- 3. Not them: end the session, delete the login profile, then look at whoever set it.
-- """
-- refs = ["IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       CASE event_name WHEN 'ConsoleLogin' THEN user_identity_user_name ELSE request_user_name END AS target, mfa_used,
       CASE event_name WHEN 'ConsoleLogin' THEN 'signed_in' ELSE 'set' END AS step
FROM events
WHERE event_source IN ('iam.amazonaws.com', 'signin.amazonaws.com') AND outcome = 'success' AND NOT actor_is_service
  AND (event_name = 'ConsoleLogin'
       OR (event_name IN ('CreateLoginProfile', 'UpdateLoginProfile')
           AND request_user_name <> coalesce(user_identity_user_name, '')))
