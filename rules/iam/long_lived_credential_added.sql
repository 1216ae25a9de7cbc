-- +++
-- title = "{principal_name} called {event_name} for {target} in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1098.001", "T1098.004"]
-- cis = []
-- why = """
-- SSH keys, signing certificates and service passwords are credentials that few inventories list: they stay when \
-- access keys are rotated."""
-- false_positives = ["users of CodeCommit, Amazon Keyspaces or the Bedrock API keys"]
-- runbook = """
-- 1. Does the user need this service?
-- 2. What was done with it:
--    SELECT event_time, event_source, event_name, source_ip_address FROM events WHERE user_identity_user_name =
--      '<target>' ORDER BY event_time
-- 3. Unknown: delete it.
-- """
-- refs = ["IAM User Guide: Service-specific credentials for IAM users"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       coalesce(request_user_name, user_identity_user_name) AS target,
       json_text(request_parameters, 'serviceName') AS service_name
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('CreateServiceSpecificCredential', 'UploadSSHPublicKey', 'UploadSigningCertificate')
