-- +++
-- title = "{principal_name} opened a resource of {account_id} to everybody by {event_name} ({event_source})"
-- severity = "high"
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "event_source", "event_name"]
-- attack = ["T1537", "T1530"]
-- cis = []
-- why = """
-- Queues, topics, keys, secrets, images and file systems have policies of their own. This one was read: it lets \
-- everybody in, without a condition that says who."""
-- false_positives = ["public images or domains that are meant so"]
-- runbook = """
-- 1. Read the policy:
--    SELECT request_parameters FROM events WHERE event_id = '<event_id>'
-- 2. Who used the resource since, from other accounts:
--    SELECT event_time, user_identity_account_id, event_name, source_ip_address FROM events WHERE event_source =
--      '<event_source>' AND user_identity_account_id <> account_id ORDER BY event_time
-- 3. Narrow it by principal, or by aws:PrincipalOrgID or aws:SourceArn.
-- """
-- refs = [
--   "IAM User Guide: Identity-based policies and resource-based policies",
--   "IAM User Guide: AWS global condition context keys",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, request_parameters
FROM events
WHERE outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('CreateElasticsearchDomain', 'CreateKey', 'CreateQueue', 'CreateTopic',
                      'PutBackupVaultAccessPolicy', 'PutFileSystemPolicy', 'PutKeyPolicy',
                      'PutRepositoryPermissionsPolicy', 'PutResourcePolicy', 'SetQueueAttributes',
                      'SetRepositoryPolicy', 'SetTopicAttributes', 'SetVaultAccessPolicy', 'UpdateDomainConfig',
                      'UpdateElasticsearchDomainConfig')
  AND policy_public(request_parameters)
