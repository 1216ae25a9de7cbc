-- +++
-- title = "{principal_name} called {event_name} in {account_id} without having shown a second factor"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key"]
-- attack = ["T1556.006", "T1098.005"]
-- cis = []
-- why = """
-- Users may manage their own second factor, so policies often let them do so without having shown it: who has the \
-- password alone takes the device off or tries to put their own in its place. The first device of a new user is set up \
-- in such a session, too, and is not told: only what presumes that there is one already."""
-- false_positives = ["a user whose device is lost, helped by a policy that asks for no second factor here: change it"]
-- runbook = """
-- 1. How did they come in, and what else did this session do:
--    SELECT event_time, event_name, outcome, source_ip_address, mfa_used FROM events WHERE principal_key =
--      '<principal_key>' ORDER BY event_time DESC LIMIT 100
-- 2. Ask the user by another way. Not them: set a new password, deactivate their keys, look at their devices.
-- 3. In the policy that lets users manage themselves, ask for aws:MultiFactorAuthPresent in these actions.
-- """
-- refs = ["IAM User Guide: Allows MFA-authenticated IAM users to manage their own credentials"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_user_name, request_serial_number, outcome, error_code
FROM events
WHERE event_source = 'iam.amazonaws.com' AND NOT session_mfa_authenticated
  AND user_identity_type NOT IN ('AssumedRole', 'FederatedUser', 'Root')
  AND (event_name IN ('DeactivateMFADevice', 'DeleteVirtualMFADevice', 'ResyncMFADevice')
       OR event_name IN ('CreateVirtualMFADevice', 'EnableMFADevice') AND error_code LIKE 'EntityAlreadyExists%')
