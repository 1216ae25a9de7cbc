-- +++
-- title = "Root of account {account_id} looked around"
-- severity = "low"
-- severity_if = { "issued_by = AssumeRoot" = "info", "session = of AssumeRoot" = "info", "circumstance = new account" = "info" }
-- status = "stable"
-- kind = "match"
-- fold = "1d"
-- entity = ["principal_key", "session_began"]
-- attack = ["T1078.004", "T1580"]
-- cis = ["1.4.0/4.3"]
-- why = """
-- Each page of the console makes dozens of reads, so the reads of a session are one finding (of each day, if it lasts \
-- over midnight). It says that root was used at all."""
-- false_positives = ["whoever signed in as root for a task that needs it"]
-- runbook = """
-- 1. Is there a sign-in to it:
--    SELECT event_time, event_name, mfa_used, source_ip_address FROM events WHERE principal_key =
--      'root:<account_id>' AND event_source = 'signin.amazonaws.com' ORDER BY event_time
-- 2. Reads without a sign-in come from a key or a stolen session: see the key ids.
-- 3. Give the reader a role instead.
-- """
-- refs = ["IAM User Guide: Root user best practices for your AWS account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, user_identity_access_key_id, CAST(session_creation_date AS VARCHAR) AS session_began,
       CASE WHEN session_assumed_root THEN 'of AssumeRoot' END AS session,
       CASE WHEN in_site('new_accounts', account_id, event_time) THEN 'new account' END AS circumstance
FROM events
WHERE user_identity_type = 'Root' AND NOT actor_is_service AND event_type <> 'AwsServiceEvent'
  AND user_identity_account_id = account_id
  AND coalesce(read_only, regexp_like(event_name, '^(Describe|Get|Head|List|Lookup)'))
