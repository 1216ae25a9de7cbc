-- +++
-- title = "{principal_name} was used in {account_id}: an access for emergencies"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key"]
-- attack = ["T1078.004"]
-- cis = []
-- why = """
-- What is sealed for emergencies is opened by people who say so beforehand. Each day of its use is one finding, whatever \
-- was done; refused calls and failed sign-ins count, since they say that somebody tries. Who is meant is said by the \
-- list break_glass of the site facts."""
-- false_positives = ["the emergency, or the yearly exercise"]
-- runbook = """
-- 1. Who opened it, and is there an emergency that they name?
--    SELECT event_time, account_id, event_source, event_name, outcome, source_ip_address FROM events WHERE
--      principal_key = '<principal_key>' ORDER BY event_time DESC LIMIT 100
-- 2. Nobody: revoke its sessions, change its password, deactivate its keys, and read what it did.
-- 3. Afterwards seal it anew.
-- """
-- refs = ["AWS Well-Architected, Security Pillar, SEC03-BP03: Establish emergency access process"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, outcome, session_name
FROM events
WHERE NOT actor_is_service
  AND (in_site('break_glass', coalesce(session_issuer_arn, user_identity_arn), event_time)
       OR in_site('break_glass', principal_key, event_time))
