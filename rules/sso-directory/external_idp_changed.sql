-- +++
-- title = "{principal_name} called {event_name}: another provider vouches for the organisation's users"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1484.002", "T1556"]
-- cis = []
-- why = "The provider named here can sign in anybody, to every account of the organisation."
-- false_positives = ["a planned move to another directory; a renewed certificate"]
-- runbook = """
-- 1. Compare the provider's metadata with what its owner says:
--    SELECT request_parameters FROM events WHERE event_id = '<event_id>'
-- 2. Who signed in since:
--    SELECT event_time, user_identity_on_behalf_of_user_id, source_ip_address FROM events WHERE event_name =
--      'UserAuthentication' ORDER BY event_time
-- 3. Unknown: put it back and sign everybody out.
-- """
-- refs = ["IAM Identity Center User Guide: Connect to an external identity provider"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_parameters
FROM events
WHERE event_source = 'sso-directory.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('EnableExternalIdPConfigurationForDirectory', 'UpdateExternalIdPConfigurationForDirectory',
                      'DisableExternalIdPConfigurationForDirectory')
