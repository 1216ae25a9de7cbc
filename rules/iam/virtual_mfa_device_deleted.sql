-- +++
-- title = "{principal_name} deleted the virtual MFA device {request_serial_number}"
-- severity = "low"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "request_serial_number"]
-- attack = ["T1556.006"]
-- cis = []
-- why = """
-- The last step of taking a second factor away. It mostly follows a deactivation, which is told on its own; alone \
-- it is often the console tidying up."""
-- false_positives = ["the console deletes a device that was never enabled when an enrolment is begun again"]
-- runbook = """
-- 1. Is there a deactivation before it:
--    SELECT event_time, event_name, principal_key, request_user_name, request_serial_number FROM events WHERE
--      request_serial_number = '<request_serial_number>' ORDER BY event_time
-- 2. Does the user still have a device?
-- """
-- refs = ["IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       request_serial_number
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name = 'DeleteVirtualMFADevice'
  AND outcome = 'success' AND NOT actor_is_service
  AND request_serial_number NOT LIKE '%:mfa/root-account-mfa-device'
