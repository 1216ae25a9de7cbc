-- +++
-- title = "Key {access_key} of {principal_name} was used for {actions} from {networks}, in a hundredth of its calls"
-- severity = "medium"
-- status = "stable"
-- kind = "query"
-- entity = ["access_key"]
-- every = "1d"
-- over = "7d"
-- attack = ["T1078.004", "T1552.001"]
-- cis = []
-- why = """
-- A key works in one network, hundreds of times a week. A few calls from another one, since today, about identities, secrets or the \
-- data's whereabouts are somebody who looks around with it. Needs no more history than a week, so it also sees \
-- young keys."""
-- false_positives = ["its owner looks something up from their own computer with the program's key"]
-- runbook = """
-- 1. What was done from there:
--    SELECT event_time, source_ip_address, source_as_org, user_agent, event_source, event_name, outcome FROM events WHERE
--      user_identity_access_key_id = '<access_key>' AND source_network IN ('<network>') ORDER BY event_time
-- 2. Does its owner know? If so: people have names of their own to call with.
-- 3. Unknown: deactivate the key; take for known what was read.
-- """
-- refs = ["MITRE ATT&CK T1078.004 Valid Accounts: Cloud Accounts"]
-- +++
WITH place AS (
  SELECT access_key_id AS access_key, source_network, min(account_id) AS account_id, min(principal_name) AS principal_name,
         min(principal_key) AS principal_key, CAST(sum(events) AS DOUBLE) AS calls, min(first_time) AS first_time,
         array_agg(DISTINCT event_name) FILTER (WHERE
           event_source IN ('iam.amazonaws.com', 'secretsmanager.amazonaws.com', 'ssm.amazonaws.com', 'organizations.amazonaws.com',
                            'bedrock.amazonaws.com')
           OR event_source = 'sts.amazonaws.com' AND event_name = 'GetCallerIdentity'
           OR event_source = 's3.amazonaws.com' AND event_name IN ('ListBuckets', 'GetBucketPolicy', 'GetBucketAcl')
           OR event_source = 'ec2.amazonaws.com' AND event_name = 'DescribeInstances'
           OR event_source = 'lambda.amazonaws.com' AND event_name = 'ListFunctions20150331'
         ) AS actions
  FROM activity
  WHERE event_hour >= $from AND event_hour < $to AND NOT actor_is_service
  GROUP BY access_key_id, source_network
), key AS (
  SELECT access_key, count(*) AS networks, max(calls) AS calls, min(first_time) AS since FROM place GROUP BY access_key
), elsewhere AS (
  SELECT place.access_key, place.source_network, place.account_id, place.principal_name, place.principal_key, place.calls, actions,
         key.calls AS usual_calls
  FROM place JOIN key ON place.access_key = key.access_key
  -- Two calls are a hundredth of two hundred: a key that does little is not judged.
  WHERE networks <= 5 AND place.calls <= key.calls / 100 AND array_length(actions) >= 2 AND place.first_time >= $to - INTERVAL '1 day'
    AND since < $to - INTERVAL '1 day'
), call AS (
  SELECT events.user_identity_access_key_id AS access_key, array_agg(event_id) AS event_ids
  FROM events JOIN elsewhere ON events.user_identity_access_key_id = elsewhere.access_key
    AND events.source_network = elsewhere.source_network
  WHERE event_time >= $to - INTERVAL '1 day' AND event_time < $to AND source_kind = 'public'
    -- Who signs wrongly does not have the key.
    AND (error_code IS NULL OR error_code NOT IN ('InvalidClientTokenId', 'SignatureDoesNotMatch', 'IncompleteSignature'))
    AND NOT in_site('vpn', source_ip_address, event_time) AND NOT in_site('vendor_networks', events.source_network, event_time)
  GROUP BY events.user_identity_access_key_id
)
SELECT elsewhere.access_key, min(account_id) AS account_id, min(principal_key) AS principal_key,
       min(principal_name) AS principal_name,
       array_to_string(array_agg(DISTINCT source_network ORDER BY source_network), ', ') AS networks,
       array_to_string(array_sort(array_distinct(flatten(array_agg(actions)))), ', ') AS actions,
       CAST(max(usual_calls) AS BIGINT) AS usual_calls, CAST(sum(calls) AS BIGINT) AS count, first_value(event_ids) AS event_ids
FROM elsewhere JOIN call ON elsewhere.access_key = call.access_key
GROUP BY elsewhere.access_key
