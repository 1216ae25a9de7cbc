-- +++
-- title = "A session of {session_name} is used with two clients in two networks"
-- severity = "medium"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name", "session_begin"]
-- window = "12h"
-- having = ["distinct(source_network) >= 2", "distinct(client) >= 2"]
-- attack = ["T1539", "T1078.004"]
-- cis = []
-- why = """
-- A session at Identity Center belongs to the browser or the command line that signed in. A laptop that is carried from one -- network into another keeps its client; a second client in a second network under the same session is somebody who has -- copied the cookie or the cached key, also in the same city."""
-- false_positives = [
--   "a browser that was brought up to date in the midst of a session that moved",
--   "a cached key that its owner copied to another computer",
-- ]
-- runbook = """
-- 1. Which of the two is the owner's usual one, and what did the other one do:
--    SELECT event_time, source_network, source_ip_address, user_agent, event_source, event_name, outcome FROM events WHERE
--      session_name = '<session_name>' AND session_creation_date = '<session_begin>' ORDER BY event_time
-- 2. Ask the person, by telephone, what they were doing then.
-- 3. Not theirs: end the person's sessions in the directory, revoke the role's (a deny on aws:TokenIssueTime), look for how
--    the session was taken.
-- """
-- refs = [
--   "MITRE ATT&CK T1539 Steal Web Session Cookie",
--   "IAM User Guide: Revoke IAM role temporary security credentials",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, session_name,
       CAST(session_creation_date AS VARCHAR) AS session_begin, source_network, source_country,
       -- A browser is one to the last digit; programs of one computer share a session.
       CASE WHEN user_agent_family = 'browser' THEN user_agent
            ELSE concat('programs on ', coalesce(user_agent_os, '?')) END AS client,
       event_source, event_name, outcome
FROM events
WHERE principal_class = 'human_sso' AND session_creation_date IS NOT NULL AND source_kind = 'public'
  -- Parts of the console call by clients of their own.
  AND (user_agent_family = 'browser' OR session_credential_from_console IS NOT TRUE)
  AND user_agent_family <> 'console' AND user_agent NOT LIKE '%exec-env/CloudShell%'
  AND NOT in_site('vpn', source_ip_address, event_time)
