-- +++
-- title = "Federated user {principal_name} of {account_id} is at the console, by way of {issuer}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key"]
-- attack = ["T1550.001", "T1078.004"]
-- cis = []
-- why = """
-- Only GetFederationToken makes such a session, and only a long-term key may call it, which cannot show a second factor. \
-- At the console it is a sign-in without one: by your own broker, or by somebody who found the key."""
-- false_positives = ["an in-house broker of former years"]
-- runbook = """
-- 1. Who made the session, from where:
--    SELECT event_time, principal_name, source_ip_address, user_agent FROM events WHERE event_name IN ('GetFederationToken',
--      'GetSigninToken') AND account_id = '<account_id>' ORDER BY event_time DESC LIMIT 50
-- 2. Not a broker of yours: deny everything to the user who made it (that reaches its federated sessions), delete its key.
-- """
-- refs = [
--   "AWS STS API Reference: GetFederationToken",
--   "IAM User Guide: Enable custom identity broker access to the AWS console",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_issuer_arn AS issuer
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'success'
  AND user_identity_type = 'FederatedUser'
