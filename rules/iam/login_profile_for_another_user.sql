-- +++
-- title = "{principal_name} called {event_name} for user {request_user_name} in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_user_name"]
-- attack = ["T1098", "T1078.004"]
-- cis = []
-- why = """
-- A console password set by somebody else lets that somebody sign in as the user. For a user that only programs \
-- use it is a second door."""
-- false_positives = ["the help desk resets a password, which then must be changed at the next sign-in"]
-- runbook = """
-- 1. Did the user ask for it?
-- 2. Who signed in with it:
--    SELECT event_time, source_ip_address, mfa_used, login_result FROM events WHERE event_name = 'ConsoleLogin' AND
--      user_identity_user_name = '<request_user_name>' ORDER BY event_time
-- 3. Unknown: delete the login profile and look at the caller's other calls.
-- """
-- refs = ["IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_user_name
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name IN ('CreateLoginProfile', 'UpdateLoginProfile')
  AND outcome = 'success' AND NOT actor_is_service
  AND request_user_name <> coalesce(user_identity_user_name, '')
