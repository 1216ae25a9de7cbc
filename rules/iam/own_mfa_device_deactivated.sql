-- +++
-- title = "{request_user_name} of {account_id} deactivated a second factor of their own"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key"]
-- attack = ["T1556.006"]
-- cis = []
-- why = """
-- Mostly a new telephone: another device follows within minutes. Without one, the password alone is enough from now \
-- on; whoever holds a session of the user may have wanted just that."""
-- false_positives = ["a lost or changed phone: then another device follows within minutes"]
-- runbook = """
-- 1. Was another device enabled, and from the usual place:
--    SELECT event_time, event_name, request_serial_number, source_ip_address FROM events WHERE event_name IN
--      ('EnableMFADevice', 'DeactivateMFADevice') AND request_user_name = '<request_user_name>' ORDER BY event_time
-- 2. Not replaced: ask the user.
-- """
-- refs = ["MITRE ATT&CK T1556.006 Modify Authentication Process: Multi-Factor Authentication"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_user_name, request_serial_number
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'DeactivateMFADevice'
  AND outcome = 'success' AND NOT actor_is_service
  AND request_user_name = user_identity_user_name
