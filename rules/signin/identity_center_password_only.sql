-- +++
-- title = "Identity Center user {user_identity_on_behalf_of_user_id} signed in with a password only, from {source_ip_address}"
-- severity = "medium"
-- severity_if = { "sign_in = has to enrol a device" = "info", "sign_in = first, by e-mail" = "info" }
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["account_id", "user_identity_on_behalf_of_user_id"]
-- attack = ["T1078.004"]
-- cis = []
-- why = "The access portal opens every account that the user may enter. Here all that was verified is a password."
-- false_positives = [
--   "a user before its device is enrolled; the sign-in that ends in enrolment carries DeviceEnrollmentRequired",
-- ]
-- runbook = """
-- 1. Who is it (the name stands where the password was asked for, in another event of the same sign-in):
--    SELECT DISTINCT json_text(additional_event_data, 'UserName') FROM events WHERE event_name LIKE 'Credential%'
--      AND json_text(additional_event_data, 'AuthWorkflowID') = '<sign_in_id>'
-- 2. Which roles were entered after it:
--    SELECT event_time, event_name, request_parameters FROM events WHERE user_identity_on_behalf_of_user_id =
--      '<user_identity_on_behalf_of_user_id>' ORDER BY event_time
-- 3. Set the instance to ask for a second factor at every sign-in.
-- """
-- refs = [
--   "IAM Identity Center User Guide: Understanding IAM Identity Center sign-in events",
--   "IAM Identity Center User Guide: Multi-factor authentication for Identity Center users",
-- ]
-- +++
SELECT event_id, account_id, user_identity_on_behalf_of_user_id, principal_key, source_ip_address, user_agent,
       json_text(additional_event_data, 'AuthWorkflowID') AS sign_in_id,
       json_text(additional_event_data, 'CredentialType') AS verified,
       CASE WHEN json_text(additional_event_data, 'DeviceEnrollmentRequired') ILIKE 'true' THEN 'has to enrol a device'
            WHEN json_text(additional_event_data, 'CredentialType') LIKE '%EMAIL_OTP%' THEN 'first, by e-mail' END AS sign_in
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'UserAuthentication' AND outcome = 'success'
  AND NOT regexp_like(json_text(additional_event_data, 'CredentialType'), 'TOTP|WEBAUTHN|EXTERNAL_IDP')
