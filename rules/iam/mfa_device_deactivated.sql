-- +++
-- title = "{principal_name} deactivated a second factor of user {request_user_name} in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_user_name"]
-- attack = ["T1556.006"]
-- cis = []
-- why = """
-- A user without the factor signs in by password alone. Attackers remove it before they use a stolen password, or \
-- to enrol their own."""
-- false_positives = ["a lost or changed phone: then another device follows within minutes"]
-- runbook = """
-- 1. Was another device enabled:
--    SELECT event_time, event_name, principal_key, request_user_name, request_serial_number, source_ip_address FROM
--      events WHERE event_name IN ('EnableMFADevice', 'DeactivateMFADevice') AND request_user_name =
--      '<request_user_name>' ORDER BY event_time
-- 2. By whom and from where, compared with the user's own sign-ins?
-- 3. Not replaced or unknown: disable the password, ask the user.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1556.006 Modify Authentication Process: Multi-Factor Authentication",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_user_name, request_serial_number
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'DeactivateMFADevice'
  AND outcome = 'success' AND NOT actor_is_service
  AND request_user_name <> 'AWS ROOT USER'
  AND request_user_name <> coalesce(user_identity_user_name, '')
