-- +++
-- title = "{principal_name} called {event_name}: passwords of account {account_id} may be weak"
-- severity = "medium"
-- status = "stable"
-- kind = "match"
-- entity = ["account_id", "principal_key"]
-- attack = ["T1556", "T1201"]
-- cis = ["1.4.0/1.8", "1.4.0/1.9"]
-- why = """
-- Short passwords, or such that come back, make guessing worth while. A call that names no length falls back to \
-- six characters."""
-- false_positives = ["an account without console users, where nobody cares"]
-- runbook = """
-- 1. What was it before, and who asked:
--    SELECT event_time, principal_key, event_name, request_parameters FROM events WHERE event_name IN
--      ('UpdateAccountPasswordPolicy', 'DeleteAccountPasswordPolicy') AND account_id = '<account_id>' ORDER BY
--      event_time
-- 2. Set length 14 and reuse 24 again.
-- 3. Look for passwords that were set since.
-- """
-- refs = ["IAM User Guide: Set an account password policy for IAM users"]
-- +++
SELECT event_id, account_id, aws_region, principal_key, principal_name, source_ip_address, user_agent, event_name,
       request_parameters
FROM events
WHERE event_source = 'iam.amazonaws.com' AND outcome = 'success' AND NOT actor_is_service
  AND (event_name = 'DeleteAccountPasswordPolicy'
       OR event_name = 'UpdateAccountPasswordPolicy' 
         AND coalesce(TRY_CAST(json_text(request_parameters, 'minimumPasswordLength') AS INT), 6) < 14)
