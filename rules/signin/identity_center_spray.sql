-- +++
-- title = "Several people's passwords at the access portal were tried from {source_ip_address}"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["source_ip_address"]
-- window = "1h"
-- having = ["count >= 8", "distinct(person) >= 3"]
-- attack = ["T1110.003"]
-- cis = []
-- why = """
-- The access portal leads to every account. One address at which the passwords or codes of several people are \
-- wrong is a spray."""
-- false_positives = ["an office behind one address on the morning after a change of passwords"]
-- runbook = """
-- 1. Whose, and did one succeed:
--    SELECT event_time, event_name, user_identity_on_behalf_of_user_id, outcome, additional_event_data FROM events
--      WHERE source_ip_address = '<source_ip_address>' AND event_source = 'signin.amazonaws.com' ORDER BY
--      event_time
-- 2. Is the address yours?
-- 3. Not yours: block it, reset whoever signed in from there, revoke their sessions.
-- """
-- refs = ["AWS IAM Identity Center User Guide: Understanding IAM Identity Center sign-in events"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_on_behalf_of_user_id AS person, json_text(additional_event_data, 'CredentialType') AS credential
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'CredentialVerification' AND outcome = 'failure'
