-- +++
-- title = "{principal_name} tries out names of users or roles through policies in {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key"]
-- window = "1h"
-- having = ["count >= 10"]
-- attack = ["T1087.004", "T1580"]
-- cis = []
-- why = """
-- AWS refuses a policy that names a principal that does not exist, so a policy of one's own tells, name by name, \
-- which users and roles another account has. Nobody mistypes ten principals in an hour."""
-- false_positives = ["a deployment that is retried with a wrong principal"]
-- runbook = """
-- 1. Which names were tried (the message shows them):
--    SELECT event_time, event_name, error_message FROM events WHERE principal_key = '<principal_key>' AND
--      error_code IS NOT NULL ORDER BY event_time
-- 2. Many different names: enumeration. Tell the owner of the account that is named.
-- 3. Unknown caller: deactivate its credentials.
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "IAM User Guide: AWS JSON policy elements: Principal",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       event_source, event_name, error_code, error_message
FROM events
WHERE error_message LIKE '%nvalid principal in policy%' AND NOT actor_is_service
