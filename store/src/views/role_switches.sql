-- Who took on a role in the console. The role's account is told of them by name alone: of users, no id.
SELECT event_date, principal_key, principal_name, session_name, account_id,
       concat('session:', principal_key, '/', session_name, '@', CAST(event_date AS VARCHAR)) AS session,
       event_name AS how, event_time AS issued_time, event_id, source_ip_address, source_identity,
       CASE WHEN is_role THEN concat('role:', split_part(switch_from, ':', 5), ':', split_part(switch_from, '/', 2))
            ELSE concat('user:', switch_from) END AS issuer_key,
       CASE WHEN is_role THEN split_part(switch_from, '/', 2) ELSE split_part(switch_from, '/', -1) END AS issuer_name,
       CASE WHEN strpos(switch_from, '/AWSReservedSSO_') > 0 THEN 'human_sso' WHEN is_role THEN 'human'
            ELSE 'human_iam_user' END AS issuer_class,
       CASE WHEN is_role THEN split_part(switch_from, '/', 3) END AS issuer_session,
       split_part(switch_from, ':', 5) AS issuer_account_id
FROM (
    SELECT *, strpos(switch_from, ':assumed-role/') > 0 AS is_role
    FROM (
        SELECT event_date, principal_key, principal_name, session_name, account_id, event_name, event_time, event_id,
               source_ip_address, session_source_identity AS source_identity,
               json_text(additional_event_data, 'SwitchFrom') AS switch_from
        FROM events
        WHERE event_source = 'signin.amazonaws.com' AND event_name = 'SwitchRole' AND outcome = 'success'
    )
    WHERE starts_with(switch_from, 'arn:')
)
