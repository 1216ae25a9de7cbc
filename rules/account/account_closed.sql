-- +++
-- title = "{principal_name} closed account {account}"
-- severity = "critical"
-- status = "stable"
-- kind = "match"
-- entity = ["account"]
-- attack = ["T1485", "T1531"]
-- cis = []
-- why = """
-- A closed account is gone after ninety days, with all that is in it and all that its logs could tell. Refused attempts \
-- count: who tries once knows what it is worth."""
-- false_positives = ["a planned end of an account, by whoever closes them here"]
-- runbook = """
-- 1. Who, and was it planned:
--    SELECT event_time, principal_name, source_ip_address, outcome, request_parameters FROM events WHERE event_name =
--      'CloseAccount' ORDER BY event_time
-- 2. Not planned: AWS Support opens an account again within ninety days. Then look for how this principal was taken.
-- """
-- refs = ["AWS Organizations User Guide: Closing a member account in an organization", "AWS Account Management Reference Guide: Close an AWS account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source, outcome,
       coalesce(json_text(request_parameters, 'accountId'), account_id) AS account
FROM events
WHERE event_source IN ('account.amazonaws.com', 'organizations.amazonaws.com') AND event_name = 'CloseAccount'
