-- +++
-- title = "{principal_name} listed who and what there is in IAM of {account_id}"
-- severity = "low"
-- status = "stable"
-- kind = "threshold"
-- entity = ["principal_key", "session_name"]
-- window = "20m"
-- having = ["distinct(event_name) >= 6"]
-- attack = ["T1087.004", "T1069.003"]
-- cis = []
-- why = """
-- Users, roles, groups, keys, factors, the password policy, one list after the other and not in the console: a \
-- map of who could be taken over. Refused calls count, since the wish is the news."""
-- false_positives = ["an inventory or an auditor's tool", "an engineer who is cleaning up"]
-- runbook = """
-- 1. What did it do before and after, above all writes?
--    SELECT event_source, event_name, outcome, count(*), min(event_time), max(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3 ORDER BY 4 DESC
-- 2. Is the place usual for it?
--    SELECT source_network, source_country, user_agent_family, count(*), min(event_time) FROM events WHERE
--      principal_key = '<principal_key>' GROUP BY 1, 2, 3
-- 3. Does it do so daily? Then it is an inventory: silence it by its role.
-- """
-- refs = ["MITRE ATT&CK T1087.004 Account Discovery: Cloud Account"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       session_name, event_name, outcome
FROM events
WHERE event_source = 'iam.amazonaws.com' AND NOT actor_is_service AND session_credential_from_console IS NOT TRUE
  AND event_name IN ('ListUsers', 'ListRoles', 'ListGroups', 'ListPolicies', 'GetAccountSummary', 'ListAccessKeys',
                     'GetAccountAuthorizationDetails', 'ListAccountAliases', 'GetAccountPasswordPolicy',
                     'ListMFADevices', 'ListVirtualMFADevices', 'GetCredentialReport', 'GenerateCredentialReport',
                     'ListSAMLProviders', 'ListOpenIDConnectProviders', 'GetLoginProfile', 'ListUserPolicies',
                     'ListAttachedUserPolicies', 'ListGroupsForUser', 'ListServiceSpecificCredentials')
