SELECT event_time, account_id, principal_name, principal_class, event_source, event_name, error_code, error_message,
       source_ip_address, user_agent_family, aws_region, principal_key, event_id
FROM events
WHERE outcome = 'denied'
