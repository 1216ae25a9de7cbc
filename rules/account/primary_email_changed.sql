-- +++
-- title = "{principal_name} is changing the root e-mail address of account {account} ({event_name})"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["account"]
-- attack = ["T1098", "T1531"]
-- cis = []
-- why = """
-- Whoever has the mailbox of this address can reset root's password. A changed address takes the account away from its \
-- owner for good."""
-- false_positives = ["a planned change, by the central team or by root itself"]
-- runbook = """
-- 1. Who, from where, and was it accepted:
--    SELECT event_time, event_name, principal_name, source_ip_address, outcome FROM events WHERE event_source =
--      'account.amazonaws.com' AND event_name LIKE '%PrimaryEmail%' ORDER BY event_time
-- 2. Not planned: tell AWS Support at once; change the address back from the management account.
-- """
-- refs = ["AWS Account Management Reference Guide: Update the root user email address"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name, outcome,
       coalesce(json_text(request_parameters, 'accountId'), account_id) AS account
FROM events
WHERE event_source = 'account.amazonaws.com' AND event_name IN ('StartPrimaryEmailUpdate', 'AcceptPrimaryEmailUpdate')
