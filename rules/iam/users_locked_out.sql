-- +++
-- title = "{principal_name} takes passwords, keys and users away from many in {account_id}"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "2h"
-- having = ["distinct(request_user_name) >= 6"]
-- attack = ["T1531", "T1485"]
-- cis = []
-- why = """
-- Six people or programs lose their way in within the hour, by one hand: the owners are being locked out, as a \
-- rule shortly before the damage."""
-- false_positives = ["a clean-up of users that are not in use", "the move to a directory"]
-- runbook = """
-- 1. Who was locked out, and what else was done:
--    SELECT event_time, event_name, request_user_name, source_ip_address FROM events WHERE principal_key =
--      '<principal_key>' AND event_source = 'iam.amazonaws.com' AND read_only = false ORDER BY event_time
-- 2. Was it announced? Ask by telephone, since mail may be in the wrong hands, too.
-- 3. Not announced: use root or the organisation's own access to stop the credentials, then look at what else
--    runs.
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- """
-- refs = [
--   "IAM User Guide: Logging IAM and AWS STS API calls with AWS CloudTrail",
--   "MITRE ATT&CK T1531 Account Access Removal",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, event_name, request_user_name
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name IN ('DeleteLoginProfile', 'DeleteUser', 'DeleteAccessKey')
       OR (event_name = 'UpdateAccessKey' AND json_text(request_parameters, 'status') = 'Inactive'))
