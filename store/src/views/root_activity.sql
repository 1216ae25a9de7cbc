SELECT event_time, account_id, event_source, event_name, read_only, outcome, error_code, source_ip_address,
       source_country, user_agent_family, mfa_used, aws_region, event_id
FROM events
WHERE user_identity_type = 'Root' AND NOT actor_is_service
