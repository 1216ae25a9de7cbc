SELECT event_time, account_id, principal_name, principal_class, user_identity_type,
       CASE event_name WHEN 'ConsoleLogin' THEN 'console' ELSE event_name END AS how,
       login_result, mfa_used, error_message, source_ip_address, source_country, source_network,
       user_agent_family, user_agent_os, aws_region, principal_key, event_id
FROM events
WHERE login_result IS NOT NULL OR event_name = 'ConsoleLogin'
