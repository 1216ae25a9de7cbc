-- Which documents say what a user or role may do, and from when to when each did: its own, those of managed policies that are
-- attached, and those of its groups. Boundaries are in iam_attachments; they grant nothing.
WITH users_and_roles AS (
  SELECT account_id, arn, principal_key, user_name AS name, 'user' AS kind, valid_from, valid_to FROM iam_users
  UNION ALL
  SELECT account_id, arn, principal_key, role_name AS name, 'role' AS kind, valid_from, valid_to FROM iam_roles
), principal AS (
  SELECT account_id, arn, principal_key, name, kind, valid_from,
         coalesce(valid_to, arrow_cast('9999-12-31T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')) AS valid_to
  FROM users_and_roles
), attached AS (
  SELECT account_id, holder, kind, target, valid_from,
         coalesce(valid_to, arrow_cast('9999-12-31T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')) AS valid_to
  FROM iam_attachments
), holder AS (
  SELECT arn AS principal, arn AS holder, CAST(NULL AS VARCHAR) AS through, valid_from, valid_to FROM principal
  UNION ALL
  SELECT member.holder, its.arn, its.group_name, greatest(member.valid_from, its.valid_from),
         least(member.valid_to, coalesce(its.valid_to, arrow_cast('9999-12-31T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')))
  FROM attached AS member
  JOIN iam_groups AS its ON its.group_name = member.target AND its.account_id = member.account_id
  WHERE member.kind = 'group'
), held AS (
  SELECT principal, through, holder AS stands_in, valid_from, valid_to FROM holder
  UNION ALL
  SELECT holder.principal, holder.through, attached.target, greatest(holder.valid_from, attached.valid_from),
         least(holder.valid_to, attached.valid_to)
  FROM holder JOIN attached ON attached.holder = holder.holder
  WHERE attached.kind = 'policy'
), stretch AS (
  SELECT held.principal, held.through, policy.policy, policy.managed, policy.document,
         greatest(held.valid_from, policy.valid_from) AS valid_from,
         least(held.valid_to, coalesce(policy.valid_to, arrow_cast('9999-12-31T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))'))) AS valid_to
  FROM held JOIN iam_policies AS policy ON policy.holder = held.stands_in
), joined AS (
  -- An entity that changed in something else begins a new stretch of the same grant.
  SELECT *, CASE WHEN lag(valid_to) OVER grant_in_time >= valid_from THEN 0 ELSE 1 END AS begins
  FROM stretch WHERE valid_from < valid_to
  WINDOW grant_in_time AS (PARTITION BY principal, through, policy, document ORDER BY valid_from)
), numbered AS (
  SELECT *, sum(begins) OVER (PARTITION BY principal, through, policy, document ORDER BY valid_from) AS stretch FROM joined
), granted AS (
  SELECT principal, through, policy, managed, document, min(valid_from) AS valid_from, max(valid_to) AS valid_to
  FROM numbered GROUP BY principal, through, policy, managed, document, stretch
), named AS (
  SELECT DISTINCT account_id, arn, principal_key, name, kind FROM principal
)
SELECT named.account_id, named.arn, named.principal_key, named.name, named.kind, granted.through, granted.policy,
       granted.managed, granted.document, granted.valid_from,
       nullif(granted.valid_to, arrow_cast('9999-12-31T00:00:00Z', 'Timestamp(Microsecond, Some("UTC"))')) AS valid_to
FROM granted JOIN named ON named.arn = granted.principal
