-- +++
-- title = "Sign-ins to several accounts failed from {source_ip_address}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["source_ip_address"]
-- window = "30m"
-- having = ["count >= 10", "distinct(account_id) >= 3"]
-- attack = ["T1110.003"]
-- cis = []
-- why = """
-- One address tries passwords in account after account, a few in each, so that no account sees a spray and no user is \
-- locked out. Names that do not exist count: CloudTrail hides them, which makes them one name."""
-- false_positives = ["a tool of yours that checks that sign-ins fail"]
-- runbook = """
-- 1. Whom, and did any of them succeed:
--    SELECT account_id, user_identity_type, user_identity_user_name, outcome, error_message, count(*) FROM events WHERE
--      event_name = 'ConsoleLogin' AND source_ip_address = '<source_ip_address>' GROUP BY 1, 2, 3, 4, 5 ORDER BY 6 DESC
-- 2. One succeeded: that user's password is known; end the sessions, change it, look at what was done.
-- 3. None: second factors hold for all of them?
-- """
-- refs = ["MITRE ATT&CK T1110.003 Password Spraying"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, user_identity_type,
       user_identity_user_name AS target_user, error_message
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'failure'
