-- +++
-- title = "{principal_name} called {event_name} in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1484.002", "T1606.002"]
-- cis = []
-- why = """
-- Whoever holds the keys of a trusted provider signs in as anybody, with any factor claimed. Providers change once \
-- in years."""
-- false_positives = ["a renewed signing certificate; a new cluster or pipeline that brings its OIDC provider"]
-- runbook = """
-- 1. Compare the metadata or thumbprint with what the directory's owner says:
--    SELECT request_parameters FROM events WHERE event_id = '<event_id>'
-- 2. Who came in through it:
--    SELECT event_time, principal_name, request_role_arn, source_ip_address FROM events WHERE event_name IN
--      ('AssumeRoleWithSAML', 'AssumeRoleWithWebIdentity') AND account_id = '<account_id>' ORDER BY event_time
-- 3. Unknown: restore the provider, revoke the sessions of roles that trust it.
-- """
-- refs = [
--   "IAM User Guide: Identity providers and federation into AWS",
--   "MITRE ATT&CK T1484.002 Trust Modification",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(response_elements, 'sAMLProviderArn') AS provider
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('CreateSAMLProvider', 'UpdateSAMLProvider', 'DeleteSAMLProvider', 'CreateOpenIDConnectProvider',
                     'UpdateOpenIDConnectProviderThumbprint', 'AddClientIDToOpenIDConnectProvider', 'DeleteOpenIDConnectProvider')
