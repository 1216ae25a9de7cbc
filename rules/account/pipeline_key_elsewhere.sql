-- +++
-- title = "Key {access_key} of {principal_name} is a pipeline's, and is used elsewhere, too"
-- severity = "high"
-- status = "stable"
-- kind = "threshold"
-- entity = ["access_key"]
-- window = "14d"
-- having = ["distinct(step) >= 2"]
-- attack = ["T1552.001", "T1078.004", "T1195.002"]
-- cis = []
-- why = """
-- Runners of a pipeline say so in their user agent, and stand in a cloud. The same key on a desktop computer, or outside of the \
-- clouds that run pipelines, has left the pipeline's secrets: by a log, a fork, or a hand."""
-- false_positives = ["somebody who runs the pipeline's steps by hand with the pipeline's key: give them a role"]
-- runbook = """
-- 1. Who is where:
--    SELECT source_network, source_as_org, user_agent_family, user_agent_os, count(*), min(event_time), max(event_time) FROM
--      events WHERE user_identity_access_key_id = '<access_key>' GROUP BY 1, 2, 3, 4 ORDER BY 6
-- 2. What was done outside of the pipeline?
-- 3. Deactivate the key; let the pipeline take a role with its own token (OpenID Connect).
-- """
-- refs = ["AWS Well-Architected Framework: SEC02-BP02 Use temporary credentials", "GitHub Docs: OpenID Connect in AWS"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent,
       user_identity_access_key_id AS access_key, source_network, source_as_org, event_source, event_name, outcome,
       CASE WHEN user_agent LIKE '%github-actions%' THEN 'pipeline'
            WHEN user_agent_os IN ('macos', 'windows') THEN 'elsewhere'
            WHEN NOT regexp_like(source_as_org, '(?i)microsoft|amazon|google') THEN 'elsewhere' END AS step
FROM events
WHERE user_identity_access_key_id LIKE 'AKIA%' AND source_kind = 'public' AND NOT actor_is_service
  -- Who signs wrongly does not have the key.
  AND (error_code IS NULL OR error_code NOT IN ('InvalidClientTokenId', 'SignatureDoesNotMatch', 'IncompleteSignature'))
  AND NOT in_site('vpn', source_ip_address, event_time)
  AND NOT in_site('vendor_networks', source_network, event_time)
