-- +++
-- title = "{principal_name} called {event_name} ({anchor}) in {account_id}: certificates open roles"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1098.001", "T1484.002", "T1556"]
-- cis = []
-- why = """
-- Whoever holds the authority's key makes certificates that take roles of this account, from anywhere, without an \
-- access key that somebody could revoke."""
-- false_positives = ["servers outside of AWS are being set up to use roles"]
-- runbook = """
-- 1. Whose certificate authority is it:
--    SELECT request_parameters FROM events WHERE event_id = '<event_id>'
-- 2. Who came in through it:
--    SELECT event_time, source_ip_address, request_parameters FROM events WHERE event_source =
--      'rolesanywhere.amazonaws.com' AND event_name = 'CreateSession' ORDER BY event_time
-- 3. Unknown: disable the anchor, revoke the sessions of the roles in its profiles.
-- """
-- refs = ["IAM Roles Anywhere User Guide: Trust model"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'name') AS anchor
FROM events
WHERE event_source = 'rolesanywhere.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('CreateTrustAnchor', 'UpdateTrustAnchor')
