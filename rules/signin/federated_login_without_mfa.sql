-- +++
-- title = "{session_name} signed in to {account_id} by a directory that asks for no second factor ({provider})"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key", "session_name"]
-- attack = ["T1078.004"]
-- cis = []
-- why = """
-- Of a federated sign-in no record says whether a second factor was used: only the directory knows. The site facts say of \
-- this one that it does not ask for one."""
-- false_positives = ["the directory has learnt to ask meanwhile: take it out of the list"]
-- runbook = """
-- 1. Who comes this way:
--    SELECT session_name, count(*), max(event_time) FROM events WHERE event_name = 'ConsoleLogin' AND
--      json_text(additional_event_data, 'SamlProviderArn') = '<provider>' GROUP BY 1 ORDER BY 2 DESC
-- 2. Have the directory ask for a second factor, or take its trust away.
-- """
-- refs = ["AWS Well-Architected Framework: SEC02-BP01 Use strong sign-in mechanisms"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       json_text(additional_event_data, 'SamlProviderArn') AS provider
FROM events
WHERE event_source = 'signin.amazonaws.com' AND event_name = 'ConsoleLogin' AND outcome = 'success'
  AND in_site('directories_without_mfa', json_text(additional_event_data, 'SamlProviderArn'), event_time)
