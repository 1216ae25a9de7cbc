-- +++
-- title = "Root of account {account_id} called {event_name} ({event_source}) from {source_ip_address}"
-- severity = "high"
-- severity_if = { "issued_by = AssumeRoot" = "low", "session = of AssumeRoot" = "low", "session = probably of AssumeRoot" = "medium", "circumstance = new account" = "medium", "circumstance = change window" = "medium" }
-- status = "stable"
-- kind = "match"
-- fold = "1h"
-- entity = ["principal_key", "event_source", "event_name"]
-- attack = ["T1078.004"]
-- cis = ["1.4.0/4.3", "1.2.0/3.3"]
-- why = """
-- Changes by root are outside of every guardrail of the account. Calls of the same kind within an hour are one \
-- finding. Where only this account's trail is here, nobody sees who took a session by AssumeRoot: a key minutes old, of no \
-- browser and no sign-in, for one of its five tasks is told as probably one."""
-- false_positives = [
--   "the setting up of a new account: the site's list `new_accounts` makes it medium for as long as it holds",
--   "planned work: the site's list `change_windows`",
--   "tasks that need root, such as changing the support plan or MFA delete of a bucket",
-- ]
-- runbook = """
-- 1. Which sign-in does it belong to:
--    SELECT event_time, event_source, event_name, outcome, source_ip_address FROM events WHERE principal_key =
--      'root:<account_id>' ORDER BY event_time
-- 2. Did the task need root?
-- 3. Unknown: undo the change, reset the password, contact AWS Support.
-- """
-- refs = [
--   "IAM User Guide: Root user best practices for your AWS account",
--   "IAM User Guide: Tasks that require root user credentials",
--   "IAM User Guide: Centrally manage root access for member accounts",
--   "AWS Security Hub User Guide: CloudWatch.1 a log metric filter and alarm should exist for usage of the root user",
-- ]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_source,
       event_name, outcome, request_parameters,
       CASE WHEN in_site('new_accounts', account_id, event_time) THEN 'new account'
            WHEN in_site('change_windows', account_id, event_time) THEN 'change window' END AS circumstance,
       -- What only root can do, as IAM's guide lists it.
       CASE WHEN event_source = 'account.amazonaws.com'
              OR event_source = 's3.amazonaws.com' AND event_name IN ('DeleteBucketPolicy', 'PutBucketVersioning')
              OR event_source = 'sqs.amazonaws.com' AND event_name = 'SetQueueAttributes'
            THEN 'one that may need root' END AS task,
       CASE WHEN session_assumed_root THEN 'of AssumeRoot'
            WHEN starts_with(user_identity_access_key_id, 'ASIA') AND NOT session_mfa_authenticated
              AND event_time <= session_creation_date + INTERVAL '15 minutes'
              AND session_credential_from_console IS NOT TRUE AND session_sign_in_session_arn IS NULL
              AND coalesce(user_agent_family, '') NOT IN ('browser', 'console') AND user_agent NOT LIKE '%CloudShell%'
              AND (event_source = 'iam.amazonaws.com'
                     AND event_name IN ('CreateLoginProfile', 'DeleteLoginProfile', 'DeleteAccessKey', 'UpdateAccessKey',
                                        'DeactivateMFADevice', 'DeleteVirtualMFADevice', 'DeleteSigningCertificate',
                                        'UpdateSigningCertificate')
                   OR event_source = 's3.amazonaws.com' AND event_name IN ('PutBucketPolicy', 'DeleteBucketPolicy')
                   OR event_source = 'sqs.amazonaws.com' AND event_name = 'SetQueueAttributes')
            THEN 'probably of AssumeRoot' END AS session
FROM events
WHERE user_identity_type = 'Root' AND NOT actor_is_service AND event_type <> 'AwsServiceEvent'
  AND user_identity_account_id = account_id
  AND event_source <> 'signin.amazonaws.com' AND NOT coalesce(read_only, regexp_like(event_name, '^(Describe|Get|Head|List|Lookup)'))
