-- Of two copies of a call across accounts the caller's says with which key it was made. Keys that the console makes for a role
-- are nobody's gift: they come from who switched to it, on the day on which the session began or the one before, if it was one
-- and the same. Nobody goes further than twelve steps.
WITH RECURSIVE given AS (
    SELECT access_key_id, how, issued_time, event_id, issuer_key, issuer_name, issuer_class, issuer_session,
           issuer_account_id, issuer_access_key_id, source_identity, source_ip_address
    FROM (
        SELECT response_access_key_id AS access_key_id, event_name AS how, event_time AS issued_time, event_id,
               principal_key AS issuer_key, principal_name AS issuer_name, principal_class AS issuer_class,
               session_name AS issuer_session, user_identity_account_id AS issuer_account_id,
               NULLIF(user_identity_access_key_id, '') AS issuer_access_key_id,
               session_source_identity AS source_identity, source_ip_address,
               row_number() OVER (
                   PARTITION BY response_access_key_id
                   ORDER BY NULLIF(user_identity_access_key_id, '') IS NULL, user_identity_type = 'AWSAccount', event_time, event_id
               ) AS copy
        FROM events
        WHERE event_source = 'sts.amazonaws.com' AND outcome = 'success' AND starts_with(response_access_key_id, 'ASIA')
    )
    WHERE copy = 1
),
worn AS (
    SELECT user_identity_access_key_id AS access_key_id, principal_key, session_name,
           CAST(min(session_creation_date) AS DATE) AS began
    FROM events
    WHERE principal_class = 'human' AND starts_with(principal_key, 'role:') AND starts_with(user_identity_access_key_id, 'ASIA')
    GROUP BY user_identity_access_key_id, principal_key, session_name
),
switched AS (
    SELECT access_key_id, how, issued_time, event_id, issuer_key, issuer_name, issuer_class, issuer_session,
           issuer_account_id, CAST(NULL AS VARCHAR) AS issuer_access_key_id, source_identity, source_ip_address
    FROM (
        SELECT worn.access_key_id, how, issued_time, event_id, issuer_key, issuer_name, issuer_class, issuer_session,
               issuer_account_id, source_identity, source_ip_address,
               row_number() OVER (PARTITION BY worn.access_key_id ORDER BY event_date DESC, issued_time, event_id) AS nth,
               min(issuer_key) OVER (PARTITION BY worn.access_key_id, event_date) AS one,
               max(issuer_key) OVER (PARTITION BY worn.access_key_id, event_date) AS other
        FROM role_switches
        JOIN worn ON role_switches.principal_key = worn.principal_key AND role_switches.session_name = worn.session_name
         AND event_date BETWEEN began - INTERVAL '1 day' AND began
        LEFT ANTI JOIN given ON worn.access_key_id = given.access_key_id
    )
    WHERE nth = 1 AND one = other
),
issued AS (
    SELECT * FROM given
    UNION ALL
    SELECT * FROM switched
),
way AS (
    SELECT access_key_id, CAST(1 AS BIGINT) AS step, how, issued_time, event_id, issuer_key, issuer_name, issuer_class,
           issuer_session, issuer_account_id, issuer_access_key_id, source_identity, source_ip_address
    FROM issued
    UNION ALL
    SELECT way.access_key_id, way.step + 1, issued.how, issued.issued_time, issued.event_id, issued.issuer_key,
           issued.issuer_name, issued.issuer_class, issued.issuer_session, issued.issuer_account_id,
           issued.issuer_access_key_id, issued.source_identity, issued.source_ip_address
    FROM way
    JOIN issued ON issued.access_key_id = way.issuer_access_key_id
    WHERE way.step < 12
)
SELECT * FROM way
