-- +++
-- title = "{kind} {principal_name} of {account_id} made no call in 90 days"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["arn"]
-- every = "28d"
-- over = "90d"
-- attack = []
-- cis = []
-- why = """
-- Whoever nobody uses is missed by nobody: keys, passwords and ways in stay open, and whoever takes them over is not noticed by \
-- the owner. What is not needed for three months can go."""
-- false_positives = [
--   "a yearly or quarterly job",
--   "an access for emergencies: say so in a tag, and try it every few weeks",
--   "a trail that leaves out regions or reading calls, so that use is not seen",
--   "a program with credentials that last for months and that makes data events only, which are not logged",
-- ]
-- runbook = """
-- 1. When was it used last, as far as the logs reach:
--    SELECT max(last_time), sum(events) FROM activity WHERE principal_key = '<principal_key>'
-- 2. What could it do, and who may assume it:
--    SELECT through, policy, document, valid_from FROM iam_granted WHERE arn = '<arn>' AND valid_to IS NULL
--    SELECT trust, last_used FROM iam_roles WHERE arn = '<arn>' AND valid_to IS NULL
-- 3. Ask its owner. Turn off a user's keys and password, or let a role trust nobody; wait a month; delete it.
-- """
-- refs = [
--   "AWS Well-Architected Framework: SEC03-BP04 Reduce permissions continuously",
--   "IAM User Guide: Security best practices in IAM",
--   "AWS Security Hub User Guide: IAM.8 Unused IAM user credentials should be removed",
-- ]
-- +++
WITH held AS (
  SELECT 'User' AS kind, arn, account_id, principal_key, user_name AS principal_name, created, valid_from, valid_to
  FROM iam_users
  UNION ALL
  SELECT 'Role', arn, account_id, principal_key, role_name, created, valid_from, valid_to
  FROM iam_roles
  WHERE path NOT LIKE '/aws-service-role/%' AND path NOT LIKE '/aws-reserved/%'
), covered AS (
  -- Where the logs have the whole window. They do not before it is over, and $to lies ahead.
  SELECT account_id
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to
  GROUP BY account_id
  HAVING min(event_hour) < $from + INTERVAL '2 days' AND max(last_time) >= $to - INTERVAL '2 days'
     AND count(DISTINCT event_date) >= 85
), called AS (
  -- What services did in its name is use; that somebody tried its password is none.
  SELECT DISTINCT principal_key
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to AND (event_source <> 'signin.amazonaws.com' OR outcome = 'success')
), assumed AS (
  -- Of a role that only reads objects and the like nothing else may be logged.
  SELECT DISTINCT request_role_arn
  FROM events
  WHERE event_time >= $from AND event_time < $to AND event_source = 'sts.amazonaws.com' AND outcome = 'success'
), told AS (
  -- What IAM itself says of uses. One after the window says nothing of those in it.
  SELECT arn, last_used AS used FROM iam_roles
  UNION ALL
  SELECT arn, password_used FROM iam_credentials
  UNION ALL
  SELECT arn, keys_used FROM iam_credentials
)
SELECT held.arn, held.kind, held.account_id, held.principal_key, held.principal_name, held.created
FROM held JOIN covered ON covered.account_id = held.account_id
                      AND held.valid_from < $to AND coalesce(held.valid_to >= $to, true)
WHERE held.created < $from
  AND NOT EXISTS (SELECT 1 FROM called WHERE called.principal_key = held.principal_key)
  AND NOT EXISTS (SELECT 1 FROM assumed WHERE assumed.request_role_arn = held.arn)
  AND NOT EXISTS (SELECT 1 FROM told WHERE told.arn = held.arn AND told.used >= $from AND told.used < $to)
