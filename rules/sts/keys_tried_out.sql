-- +++
-- title = "{source_ip_address} tries out several long-term keys: asks of each whose it is"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["source_ip_address", "user_agent"]
-- window = "1h"
-- having = ["distinct(access_key) >= 3"]
-- attack = ["T1078.004", "T1552.001", "T1087.004"]
-- cis = []
-- why = """
-- GetCallerIdentity needs no permission and tells whose a key is: it is the first thing that is done with a key that was \
-- found. One client at one address that does so with three long-term keys within an hour holds a collection."""
-- false_positives = [
--   "a machine that checks all its keys, one for each customer or account",
--   "an inventory of keys that the security team runs",
-- ]
-- runbook = """
-- 1. Which keys, and what else came from there:
--    SELECT user_identity_access_key_id, principal_name, account_id, event_name, outcome, count(*), min(event_time) FROM
--      events WHERE source_ip_address = '<source_ip_address>' GROUP BY 1, 2, 3, 4, 5 ORDER BY 7
-- 2. An address of your own? Ask who works there. Otherwise deactivate all of these keys, and find out where all of them
--    were stored: that place has been read.
-- 3. Look at what was done with each since.
-- """
-- refs = ["MITRE ATT&CK T1552.001 Credentials In Files"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_access_key_id AS access_key, source_network, event_name
FROM events
WHERE event_source = 'sts.amazonaws.com' AND event_name = 'GetCallerIdentity'
  AND user_identity_access_key_id LIKE 'AKIA%' AND source_kind = 'public' AND NOT actor_is_service
