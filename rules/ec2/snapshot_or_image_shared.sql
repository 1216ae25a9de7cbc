-- +++
-- title = "{principal_name} shared {resource} of {account_id} with another account"
-- severity = "medium"
-- severity_if = { "accounts = known" = "low" }
-- status = "stable"
-- kind = "match"
-- entity = ["principal_key", "resource"]
-- attack = ["T1537"]
-- cis = []
-- why = "A disk that another account may copy has left the house, without a byte seen on any network."
-- false_positives = ["backup or golden image accounts of the same organisation"]
-- runbook = """
-- 1. Whose account is it:
--    SELECT request_parameters FROM events WHERE event_id = '<event_id>'
-- 2. Was the disk made just before:
--    SELECT event_time, event_name, request_parameters FROM events WHERE event_name IN ('CreateSnapshot',
--      'CreateImage', 'ModifySnapshotAttribute') AND principal_key = '<principal_key>' ORDER BY event_time
-- 3. Foreign: take it back, treat its contents as read.
-- """
-- refs = ["Amazon EC2 User Guide: Share an Amazon EBS snapshot with other AWS accounts"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_parameters,
       coalesce(json_text(request_parameters, 'snapshotId'), json_text(request_parameters, 'imageId')) AS resource,
       CASE WHEN outside_site('own_accounts', outside_site('vendors', regexp_replace(coalesce(json_text(request_parameters, 'createVolumePermission', 'add'),
                                       json_text(request_parameters, 'launchPermission', 'add')), '[^0-9]+', ',', 'g'), event_time), event_time) IS NULL
            THEN 'known' END AS accounts
FROM events
WHERE event_source = 'ec2.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND event_name IN ('ModifySnapshotAttribute', 'ModifyImageAttribute')
  AND regexp_like(coalesce(json_text(request_parameters, 'createVolumePermission', 'add'),
                           json_text(request_parameters, 'launchPermission', 'add')), '"userId"\s*:\s*"[0-9]')
