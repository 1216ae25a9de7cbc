-- +++
-- title = "Names of users that do not exist were tried at the console of {account_id}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["account_id"]
-- window = "6h"
-- having = ["count >= 6"]
-- attack = ["T1110.003", "T1087.004"]
-- cis = ["1.4.0/4.6"]
-- why = """
-- People mistype passwords, seldom their names, and hardly ever six names in a few hours: somebody works through \
-- a list. Counted over all addresses, since a careful one changes them."""
-- false_positives = [
--   "a scanner of a bug bounty",
--   "a renamed or deleted set of users whose bookmarks still point here",
-- ]
-- runbook = """
-- 1. From where:
--    SELECT source_ip_address, source_country, count(*) FROM events WHERE event_name = 'ConsoleLogin' AND
--      account_id = '<account_id>' AND login_result = 'Failure' GROUP BY 1, 2 ORDER BY 3 DESC
-- 2. Did any sign-in from those addresses or networks succeed?
-- 3. Block the networks; ask whoever signed in from there.
-- """
-- refs = ["AWS CloudTrail User Guide: AWS Management Console sign-in events"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, error_message
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin'
  AND user_identity_user_name = 'HIDDEN_DUE_TO_SECURITY_REASONS'
