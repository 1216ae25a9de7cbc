-- +++
-- title = "Access key {access_key} of {principal_name} in {account_id} is active and was not used in 45 days"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["access_key"]
-- every = "28d"
-- over = "45d"
-- attack = []
-- cis = ["1.4.0/1.12"]
-- why = """
-- A key that nobody uses still opens the account to whoever finds it: in an old laptop, a build log, a backup. Its owner would \
-- not notice, and would not miss it."""
-- false_positives = [
--   "a job that runs once a quarter",
--   "a key that only reads and writes objects or the like, if such data events are not logged and no credential report was read",
--   "a trail that leaves out regions or reading calls, so that use is not seen",
-- ]
-- runbook = """
-- 1. When was it used last, as far as the logs reach, and for what:
--    SELECT event_source, event_name, source_network, sum(events), max(last_time) FROM activity WHERE access_key_id =
--      '<access_key>' GROUP BY 1, 2, 3 ORDER BY 5 DESC
-- 2. Deactivate it, wait a week or two for whoever misses it, delete it.
-- """
-- refs = [
--   "AWS Security Hub User Guide: IAM.22 IAM user credentials unused for 45 days should be removed",
--   "AWS Well-Architected Framework: SEC02-BP05 Audit and rotate credentials periodically",
-- ]
-- +++
WITH key AS (
  -- Lists of keys do not always say of which account they are.
  SELECT access_key_id AS access_key, coalesce(account_id, account_of_access_key(access_key_id)) AS account_id, user_name,
         created, valid_from, valid_to
  FROM iam_access_keys
  WHERE active
), covered AS (
  -- Where the logs have the whole window. They do not before it is over, and $to lies ahead.
  SELECT account_id
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to
  GROUP BY account_id
  HAVING min(event_hour) < $from + INTERVAL '2 days' AND max(last_time) >= $to - INTERVAL '2 days'
     AND count(DISTINCT event_date) >= 41
), called AS (
  SELECT DISTINCT access_key_id
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to
), told AS (
  -- What IAM itself says of uses, which is of one key where there is one. One after the window says nothing of those in it.
  SELECT account_id, user_name
  FROM iam_credentials
  WHERE active_keys = 1 AND keys_used >= $from AND keys_used < $to
)
SELECT key.access_key, key.account_id, its.principal_key, key.user_name AS principal_name, key.created
FROM key
JOIN covered ON covered.account_id = key.account_id AND key.valid_from < $to AND coalesce(key.valid_to >= $to, true)
LEFT JOIN iam_users AS its ON its.account_id = key.account_id AND its.user_name = key.user_name
                          AND its.valid_from < $to AND coalesce(its.valid_to >= $to, true)
WHERE key.created < $from
  AND NOT EXISTS (SELECT 1 FROM called WHERE called.access_key_id = key.access_key)
  AND NOT EXISTS (SELECT 1 FROM told WHERE told.account_id = key.account_id AND told.user_name = key.user_name)
