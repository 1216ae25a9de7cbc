-- +++
-- title = "{event_name}: a second factor of root was removed in account {account_id}"
-- severity = "critical"
-- severity_if = { "issued_by = AssumeRoot" = "low" }
-- status = "stable"
-- kind = "match"
-- entity = ["account_id"]
-- attack = ["T1556.006", "T1098"]
-- cis = ["1.4.0/1.5"]
-- why = "Without it the root password alone opens the account."
-- false_positives = ["a broken or lost device that is replaced the same hour"]
-- runbook = """
-- 1. Ask the holders of the root credentials.
-- 2. Was another device enabled:
--    SELECT event_time, event_name, principal_key, request_serial_number, source_ip_address FROM events WHERE
--      event_name IN ('EnableMFADevice', 'DeactivateMFADevice', 'DeleteVirtualMFADevice', 'CreateVirtualMFADevice')
--      AND account_id = '<account_id>' ORDER BY event_time
-- 3. Not replaced: enrol one now and read all that root did.
-- """
-- refs = [
--   "IAM User Guide: Multi-factor authentication for AWS account root user",
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_serial_number
FROM events
WHERE event_source = 'iam.amazonaws.com' AND event_name IN ('DeactivateMFADevice', 'DeleteVirtualMFADevice')
  AND outcome = 'success'
  AND (request_user_name = 'AWS ROOT USER' OR request_serial_number LIKE '%:mfa/root-account-mfa-device')
