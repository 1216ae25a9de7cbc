//! The questions, in the order in which an analyst asks them. `asked` holds the events in question.

use super::who::Who;

/// A question and how many rows of its answer are shown.
pub struct Section {
    pub title: &'static str,
    pub sql: &'static str,
    pub rows: usize,
}

pub const SUMMARY: &str = "
SELECT min(event_time), max(event_time), count(*), count(DISTINCT event_date),
       count(*) FILTER (WHERE read_only = false), count(*) FILTER (WHERE read_only),
       count(*) FILTER (WHERE outcome = 'success'), count(*) FILTER (WHERE outcome = 'denied'),
       count(*) FILTER (WHERE outcome = 'failure')
FROM asked";

/// What is known of days whose events are gone.
pub const EARLIER: Section = Section {
    title: "Before the events that are kept, by count",
    sql: "
SELECT event_name AS api, event_source AS service, sum(events) AS events,
       COALESCE(sum(events) FILTER (WHERE outcome <> 'success'), 0) AS failed, count(DISTINCT source_network) AS networks,
       min(first_time) AS first, max(last_time) AS last
FROM earlier GROUP BY event_name, event_source ORDER BY events DESC, api, service",
    rows: 20,
};

const PRINCIPALS: &str = "
SELECT principal_key AS principal, max(principal_class) AS class, count(*) AS events, min(event_time) AS first, max(event_time) AS last
FROM asked GROUP BY principal_key ORDER BY events DESC, principal";

const APIS: &str = "
SELECT event_name AS api, event_source AS service, count(*) AS events, count(*) FILTER (WHERE outcome <> 'success') AS failed,
       min(event_time) AS first, max(event_time) AS last
FROM asked GROUP BY event_name, event_source ORDER BY events DESC, api, service";

const WRITES: &str = "
SELECT event_name AS api, event_source AS service, count(*) AS events, min(event_time) AS first, max(event_time) AS last
FROM asked WHERE read_only = false AND outcome = 'success'
GROUP BY event_name, event_source ORDER BY last DESC, api, service";

const DENIED: &str = "
SELECT event_name AS api, event_source AS service, max(error_code) AS error, count(*) AS events, min(event_time) AS first, max(event_time) AS last
FROM asked WHERE outcome = 'denied' GROUP BY event_name, event_source ORDER BY events DESC, api, service";

const SIGN_INS: &str = "
SELECT event_time AS time, event_name AS how, login_result AS result, mfa_used AS mfa, source_ip_address AS address,
       source_country AS country, user_agent_family AS agent
FROM asked WHERE login_result IS NOT NULL OR event_name = 'ConsoleLogin' ORDER BY event_time DESC, event_id";

const NETWORKS: &str = "
SELECT source_network AS network, max(source_as_org) AS owner, max(source_country) AS country,
       count(DISTINCT source_ip_address) AS addresses, max(source_ip_address) AS example, count(*) AS events,
       min(event_time) AS first, max(event_time) AS last
FROM asked GROUP BY source_network ORDER BY events DESC, network";

const AGENTS: &str = "
SELECT user_agent_family AS agent, user_agent_os AS os, count(*) AS events, min(event_time) AS first, max(event_time) AS last, max(user_agent) AS example
FROM asked GROUP BY user_agent_family, user_agent_os ORDER BY events DESC, agent, os";

const PLACES: &str = "
SELECT account_id AS account, aws_region AS region, count(*) AS events, min(event_time) AS first, max(event_time) AS last
FROM asked GROUP BY account_id, aws_region ORDER BY events DESC, account, region";

const KEYS_USED: &str = "
SELECT user_identity_access_key_id AS key, CASE WHEN starts_with(user_identity_access_key_id, 'AKIA') THEN 'long-term' ELSE 'temporary' END AS kind,
       count(*) AS events, count(DISTINCT source_ip_address) AS addresses, min(event_time) AS first, max(event_time) AS last
FROM asked WHERE user_identity_access_key_id IS NOT NULL
GROUP BY user_identity_access_key_id ORDER BY kind, events DESC, key";

const KEYS_MADE: &str = "
SELECT a.event_time AS time, a.response_access_key_id AS key, COALESCE(a.response_user_name, a.request_user_name) AS for_user,
       COALESCE(k.events, 0) AS uses, k.first_time AS first_use, k.last_time AS last_use
FROM asked a LEFT JOIN access_keys k ON k.access_key_id = a.response_access_key_id
WHERE a.event_name = 'CreateAccessKey' AND a.response_access_key_id IS NOT NULL ORDER BY a.event_time DESC, a.event_id";

const ROLES: &str = "
SELECT request_role_arn AS role, count(*) AS times, count(*) FILTER (WHERE outcome <> 'success') AS failed,
       min(event_time) AS first, max(event_time) AS last
FROM asked WHERE starts_with(event_name, 'AssumeRole') AND request_role_arn IS NOT NULL
GROUP BY request_role_arn ORDER BY times DESC, role";

/// Who gave its keys out, and who gave theirs: from the last step back, of keys that did not lead to others of these.
const BEHIND: &str = "
SELECT l.step AS step, l.issuer_name AS who, l.issuer_session AS session, l.issuer_account_id AS account, l.how AS how,
       max(l.source_identity) AS source_identity, count(DISTINCT l.access_key_id) AS keys, min(l.issued_time) AS first,
       max(l.issued_time) AS last, max(l.source_ip_address) AS address
FROM lineage l
WHERE l.access_key_id IN (SELECT user_identity_access_key_id FROM asked WHERE user_identity_access_key_id IS NOT NULL)
  AND l.access_key_id NOT IN (
      SELECT d.issuer_access_key_id FROM lineage d
      WHERE d.step = 1 AND d.issuer_access_key_id IS NOT NULL
        AND d.access_key_id IN (SELECT user_identity_access_key_id FROM asked WHERE user_identity_access_key_id IS NOT NULL))
GROUP BY l.step, l.issuer_name, l.issuer_session, l.issuer_account_id, l.how ORDER BY step, last DESC, who";

/// What was done with the keys that its calls gave out, however many steps further.
const AHEAD: &str = "
SELECT l.step AS step, e.principal_name AS role, e.session_name AS session, e.user_identity_account_id AS account,
       count(*) AS events, count(*) FILTER (WHERE e.read_only = false) AS writes,
       count(*) FILTER (WHERE e.outcome = 'denied') AS denied, min(e.event_time) AS first, max(e.event_time) AS last
FROM lineage l JOIN events e ON e.user_identity_access_key_id = l.access_key_id
WHERE l.event_id IN (SELECT event_id FROM asked WHERE response_access_key_id IS NOT NULL)
GROUP BY l.step, e.principal_name, e.session_name, e.user_identity_account_id ORDER BY step, last DESC, role, session";

const SESSIONS: &str = "
SELECT session_name AS session, count(*) AS events, count(DISTINCT source_ip_address) AS addresses, min(event_time) AS first, max(event_time) AS last
FROM asked WHERE session_name IS NOT NULL GROUP BY session_name ORDER BY last DESC, session";

const SAME_KEY: &str = "
SELECT e.principal_key AS principal, e.user_identity_access_key_id AS key, count(*) AS events, min(e.event_time) AS first, max(e.event_time) AS last
FROM events e
WHERE e.user_identity_access_key_id IN (SELECT user_identity_access_key_id FROM asked WHERE user_identity_access_key_id IS NOT NULL)
  AND e.principal_key NOT IN (SELECT principal_key FROM asked)
GROUP BY e.principal_key, e.user_identity_access_key_id ORDER BY events DESC, principal";

const SAME_ADDRESS: &str = "
SELECT e.principal_key AS principal, e.source_ip_address AS address, count(*) AS events, min(e.event_time) AS first, max(e.event_time) AS last
FROM events e
WHERE e.source_ip IN (SELECT source_ip FROM asked WHERE source_kind = 'public' AND source_ip IS NOT NULL)
  AND e.principal_key NOT IN (SELECT principal_key FROM asked)
GROUP BY e.principal_key, e.source_ip_address ORDER BY events DESC, principal";

/// The sections that say something about this kind of thing.
pub fn sections(who: &Who) -> Vec<Section> {
    let section = |title, sql, rows| Section { title, sql, rows };
    let mut sections = vec![
        section("Principals", PRINCIPALS, 10),
        section("APIs called most", APIS, 12),
        section("Latest changes", WRITES, 10),
        section("Denied", DENIED, 10),
        section("Sign-ins", SIGN_INS, 5),
    ];
    if !matches!(who, Who::Address(_)) {
        sections.push(section("Networks", NETWORKS, 10));
    }
    sections.extend([
        section("Agents", AGENTS, 8),
        section("Accounts and regions", PLACES, 10),
        section("Keys used", KEYS_USED, 8),
        section("Keys made", KEYS_MADE, 8),
        section("Roles assumed", ROLES, 8),
        section("Who is behind its keys", BEHIND, 10),
        section("What its keys led to", AHEAD, 12),
        section("Sessions", SESSIONS, 8),
        section("Others with the same key", SAME_KEY, 8),
    ]);
    if !matches!(who, Who::Address(_)) {
        sections.push(section("Others from the same addresses", SAME_ADDRESS, 8));
    }
    sections
}
