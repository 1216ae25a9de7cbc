-- +++
-- title = "{principal_name} called {event_name} in {account_id} ({aws_region}): GuardDuty tells less"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_name"]
-- attack = ["T1562.001"]
-- cis = []
-- why = """
-- A filter that archives, a list of trusted addresses or a threat list that is deleted keeps GuardDuty on and \
-- makes it blind for what the author wants hidden."""
-- false_positives = ["the security team tunes it"]
-- runbook = """
-- 1. Whom does it hide:
--    SELECT request_parameters FROM events WHERE event_id = '<event_id>'
-- 2. Is the caller of the security team?
-- 3. Unknown: remove the filter or list; look at the findings archived since.
-- """
-- refs = [
--   "Amazon GuardDuty User Guide: Suppression rules in GuardDuty",
--   "Amazon GuardDuty User Guide: Working with entity lists and IP address lists",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'name') AS list_or_filter, request_parameters
FROM events
WHERE event_source = 'guardduty.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name IN ('CreateIPSet', 'UpdateIPSet', 'DeleteThreatIntelSet', 'DeletePublishingDestination')
       OR event_name IN ('CreateFilter', 'UpdateFilter') AND json_text(request_parameters, 'action') = 'ARCHIVE')
