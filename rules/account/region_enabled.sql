-- +++
-- title = "{principal_name} enabled region {region} in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key"]
-- attack = ["T1535"]
-- cis = []
-- why = "A region that nobody uses is one that nobody watches: trails, GuardDuty and Config may not be set up there."
-- false_positives = ["the company goes to a new country"]
-- runbook = """
-- 1. Was it asked for?
-- 2. What runs there now:
--    SELECT event_source, event_name, principal_key, count(*) FROM events WHERE aws_region = '<region>' AND
--      account_id = '<account_id>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 3. Unknown: disable it again after looking for instances.
-- """
-- refs = ["AWS Account Management Reference: Enable or disable AWS Regions"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       json_text(request_parameters, 'RegionName') AS region
FROM events
WHERE event_source = 'account.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name = 'EnableRegion'
