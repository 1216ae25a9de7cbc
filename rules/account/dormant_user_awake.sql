-- +++
-- title = "User {principal_name} of {account_id} is active after two months of silence, or for the first time"
-- severity = "medium"
-- status = "stable"
-- kind = "first_seen"
-- entity = ["account_id"]
-- value = ["principal_key"]
-- learn = "60d"
-- min_events = 200
-- forget = "60d"
-- max_new_rate = 0.02
-- attack = ["T1078.004"]
-- cis = ["1.4.0/1.12"]
-- why = """
-- A forgotten user with a working key or password is what an intruder looks for: nobody will miss it. Refused \
-- calls and failed sign-ins of it count. Said only where the account was watched for two months, since before that \
-- nobody can know."""
-- false_positives = [
--   "a job that runs once a quarter",
--   "a new user on its first day: it should rather be a role or a person of the directory",
-- ]
-- runbook = """
-- 1. When was it active before, and from where?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 2. Whose is it? Does it still need its key or password?
-- 3. Unknown: deactivate its keys, disable its password, read what it did:
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- """
-- refs = ["IAM User Guide: Find unused AWS credentials", "MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_source, event_name, outcome,
       user_identity_access_key_id
FROM events
WHERE principal_key LIKE 'user:%' AND NOT actor_is_service
