-- +++
-- title = "Key {access_key} of {principal_name} is used from several networks at once"
-- severity = "low"
-- status = "stable"
-- kind = "threshold"
-- entity = ["access_key"]
-- window = "1h"
-- having = ["count >= 12", "distinct(place) >= 3"]
-- attack = ["T1078.004", "T1552.001"]
-- cis = []
-- why = """
-- One key, three networks, one hour: several people or machines hold it. As a rule it was meant so, which hides a thief; \
-- who is new among them is told by account/access_key_in_two_hands."""
-- false_positives = [
--   "runners in a cloud that share a key and whose addresses change: give them roles",
--   "a laptop that moves between networks",
-- ]
-- runbook = """
-- 1. Which networks, since when:
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time), max(event_time) FROM
--      events WHERE user_identity_access_key_id = '<access_key>' GROUP BY 1, 2, 3 ORDER BY 5
-- 2. One of them new? Look at what was done from there first.
-- 3. Make a key or, better, a role for each holder; deactivate this one.
-- """
-- refs = ["AWS Well-Architected Framework: SEC02-BP02 Use temporary credentials"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_access_key_id AS access_key, source_network, source_country, event_source, event_name,
       CASE WHEN in_site('own_networks', source_network, event_time) THEN 'own networks' ELSE source_network END AS place
FROM events
WHERE user_identity_access_key_id LIKE 'AKIA%' AND source_kind = 'public'
  -- Who signs wrongly does not have the key.
  AND (error_code IS NULL OR error_code NOT IN ('InvalidClientTokenId', 'SignatureDoesNotMatch', 'IncompleteSignature'))
  AND NOT in_site('vpn', source_ip_address, event_time)
  AND NOT in_site('vendor_networks', source_network, event_time)
