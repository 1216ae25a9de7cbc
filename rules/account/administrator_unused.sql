-- +++
-- title = "{kind} {principal_name} of {account_id} is an administrator and used {services} only"
-- severity = "low"
-- status = "stable"
-- kind = "query"
-- entity = ["arn"]
-- every = "28d"
-- over = "90d"
-- attack = []
-- cis = ["1.4.0/1.16"]
-- why = """
-- It may do everything, identities included, and did a few things only, none of them an administrator's. Whoever takes it over has \
-- the account; with what it needs they would have little."""
-- false_positives = [
--   "an administrator with nothing to administer for three months",
--   "a deployment role whose stacks do not change in that time",
--   "one whom another policy, the organisation's for example, denies what this one grants",
-- ]
-- runbook = """
-- 1. What does it do, and how often:
--    SELECT event_source, event_name, outcome, sum(events), max(last_time) FROM activity WHERE principal_key =
--      '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 2. By which policies is it an administrator, its own or a group's:
--    SELECT through, policy, managed, valid_from FROM iam_granted WHERE arn = '<arn>' AND valid_to IS NULL
--      AND policy_grants_admin(document)
-- 3. trailhound permissions --store STORE --policies DIR --principal <arn> writes a policy that grants what it used: put it in the
--    others' place, and look for what is denied in the weeks after.
-- """
-- refs = [
--   "AWS Well-Architected Framework: SEC03-BP02 Grant least privilege access",
--   "AWS Security Hub User Guide: IAM.1 IAM policies should not allow full \"*\" administrative privileges",
-- ]
-- +++
WITH held AS (
  SELECT 'User' AS kind, arn, user_name AS principal_name, created, boundary, valid_from, valid_to
  FROM iam_users
  UNION ALL
  SELECT 'Role', arn, role_name, created, boundary, valid_from, valid_to
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
  -- What was denied needed no right.
  SELECT DISTINCT principal_key, event_source, event_date
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to AND outcome <> 'denied'
), used AS (
  SELECT principal_key, count(*) AS number, array_to_string(array_agg(event_source ORDER BY event_source), ', ') AS services
  FROM (SELECT DISTINCT principal_key, event_source FROM called)
  GROUP BY principal_key
), present AS (
  SELECT principal_key, count(DISTINCT event_date) AS days FROM called GROUP BY principal_key
), administered AS (
  SELECT DISTINCT principal_key
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to AND outcome <> 'denied'
    AND event_source IN ('iam.amazonaws.com', 'sts.amazonaws.com', 'organizations.amazonaws.com', 'account.amazonaws.com',
                         'kms.amazonaws.com', 'cloudtrail.amazonaws.com')
    -- Whom it sends out with all of its rights is seen under another name; to assume a role changes nothing.
    AND (read_only = false OR event_name IN ('AssumeRoot', 'GetFederationToken'))
)
SELECT DISTINCT held.arn, held.kind, granted.account_id, granted.principal_key, held.principal_name, used.services, present.days
FROM iam_granted AS granted
JOIN held ON held.arn = granted.arn AND held.valid_from < $to AND coalesce(held.valid_to >= $to, true)
         AND granted.valid_from < $to AND coalesce(granted.valid_to >= $to, true)
JOIN covered ON covered.account_id = granted.account_id
JOIN used ON used.principal_key = granted.principal_key
JOIN present ON present.principal_key = granted.principal_key
-- A boundary may take away what the policy grants; who is seen on a few days may be there for emergencies.
WHERE policy_grants_admin(granted.document) AND held.boundary IS NULL AND held.created < $from
  AND used.number <= 5 AND present.days >= 7
  AND NOT EXISTS (SELECT 1 FROM administered WHERE administered.principal_key = granted.principal_key)
