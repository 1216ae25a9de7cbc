-- +++
-- title = "{principal_name} changed whom AWS tells of account {account} ({contact})"
-- severity = "low"
-- severity_if = { "contact = SECURITY" = "medium" }
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["account", "contact"]
-- attack = ["T1562"]
-- cis = ["1.4.0/1.1", "1.4.0/1.2"]
-- why = """
-- AWS writes to the security contact when keys are found in public or an account is abused. Whoever changes or deletes it \
-- reads these letters instead, or nobody does."""
-- false_positives = ["the contacts of a new account are set", "a team changes its name"]
-- runbook = """
-- 1. What are the contacts now:  aws account get-alternate-contact --alternate-contact-type SECURITY
-- 2. Not planned: set it back, and read what else this principal did.
-- """
-- refs = ["AWS Account Management Reference Guide: Update the alternate contacts for your AWS account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       coalesce(json_text(request_parameters, 'accountId'), account_id) AS account,
       coalesce(json_text(request_parameters, 'alternateContactType'), 'of the account itself') AS contact
FROM events
WHERE event_source = 'account.amazonaws.com' AND outcome = 'success'
  AND event_name IN ('DeleteAlternateContact', 'PutAlternateContact', 'PutContactInformation')
