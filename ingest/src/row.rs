//! Records become rows: checks what a record must have, derives the facts of one record, fills the columns. A long file,
//! since it has one line for each of the columns, in their order.

use std::net::IpAddr;
use std::sync::Arc;

use arrow::record_batch::RecordBatch;

use crate::agent;
use crate::facts::Facts;
use crate::geo::{Geo, Place};
use crate::identity::principal;
use crate::network::{self, SourceKind};
use crate::outcome::{login_result, mfa_used, outcome};
use crate::record::{Record, Text};
use crate::schema::{Columns, DERIVE_VERSION, schema};
use crate::time;

/// Why a record cannot be a row.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Refusal {
    /// Left out on purpose; a stable word.
    Skip(&'static str),
    /// Set aside: a stable word, and a line for people.
    Park(&'static str, String),
}

/// Where a record stands.
pub struct Address<'a> {
    pub bucket: &'a str,
    pub key: &'a str,
    pub ordinal: i32,
    /// The account that the object's key names.
    pub account_id: Option<&'a str>,
}

struct Source {
    kind: SourceKind,
    address: Option<IpAddr>,
    ip: Option<String>,
    /// The network, as far as the source alone tells.
    network: Option<String>,
    place: Place,
}

impl Source {
    fn of(source: &str, geo: &Geo) -> Self {
        let (kind, address) = network::classify(source);
        let place = match (kind, address) {
            (SourceKind::Public, Some(address)) => geo.lookup(address),
            _ => Place::default(),
        };
        let network = network::network(source, kind, address, place.asn, None);
        Self { kind, address, ip: address.map(|address| address.to_string()), network, place }
    }
}

struct Agent {
    family: Option<String>,
    os: Option<&'static str>,
}

impl Agent {
    fn of(text: &str) -> Self {
        Self { family: agent::family(text), os: agent::os(text) }
    }
}

/// Collects rows into one batch.
pub struct Rows {
    columns: Columns,
    rows: usize,
    /// JSON bytes of the records taken, a measure of the batch's size.
    json_bytes: usize,
    ingest_time: i64,
    geo: Arc<Geo>,
    sources: Facts<Source>,
    agents: Facts<Agent>,
}

impl Rows {
    pub fn new(geo: Arc<Geo>, ingest_time: i64) -> Self {
        Self {
            columns: Columns::default(),
            rows: 0,
            json_bytes: 0,
            ingest_time,
            geo,
            sources: Facts::default(),
            agents: Facts::default(),
        }
    }

    pub fn len(&self) -> usize {
        self.rows
    }

    pub fn json_bytes(&self) -> usize {
        self.json_bytes
    }

    /// Uses these GeoIP files from now on.
    pub fn set_geo(&mut self, geo: Arc<Geo>) {
        self.geo = geo;
        self.sources.clear();
    }

    pub fn set_ingest_time(&mut self, micros: i64) {
        self.ingest_time = micros;
    }

    /// The rows so far, as a batch; the builder is empty afterwards.
    pub fn finish(&mut self) -> RecordBatch {
        let columns = self.columns.finish(self.rows);
        self.rows = 0;
        self.json_bytes = 0;
        RecordBatch::try_new(schema(), columns).expect("columns and schema come from one definition")
    }

    /// Appends a record, or says why it cannot be a row.
    pub fn append(&mut self, record: &Record<'_>, place: &Address<'_>) -> Result<(), Refusal> {
        let event_time = check(record)?;
        let row = self.rows;
        let hash = xxhash_rust::xxh3::xxh3_64(record.raw.as_bytes());
        self.set_top(row, record, event_time, hash, place);
        self.set_identity(row, record);
        self.set_parts(row, record);
        self.set_requests(row, record);
        self.set_facts(row, record, place);
        self.rows += 1;
        self.json_bytes += record.raw.len();
        Ok(())
    }

    fn set_top(&mut self, row: usize, record: &Record<'_>, event_time: i64, hash: u64, place: &Address<'_>) {
        let c = &mut self.columns;
        match record.event_id.as_deref() {
            Some(id) => c.event_id.set(row, id),
            None => {
                use sha2::Digest;
                let digest = sha2::Sha256::digest(record.raw.as_bytes());
                let hex: String = digest.iter().map(|byte| format!("{byte:02x}")).collect();
                c.event_id.set(row, &format!("sha256:{hex}"));
            }
        }
        c.event_time.set(row, event_time);
        c.event_date.set(row, time::day(event_time));
        if let Some(name) = record.event_name.as_deref() {
            c.event_name.set(row, name);
            c.event_name_norm.set(row, unversioned(name));
        }
        let category = record.event_category.as_deref().or(match record.management_event {
            Some(true) => Some("Management"),
            Some(false) => Some("Data"),
            None => None,
        });
        if let Some(category) = category {
            c.event_category.set(row, category);
        }
        macro_rules! texts {
            ($($column:ident = $value:expr;)*) => {
                $(if let Some(value) = $value.as_deref() { c.$column.set(row, value); })*
            };
        }
        texts! {
            event_version = record.event_version;
            event_source = record.event_source;
            event_type = record.event_type;
            aws_region = record.aws_region;
            source_ip_address = record.source_ip_address;
            vpc_endpoint_id = record.vpc_endpoint_id;
            vpc_endpoint_account_id = record.vpc_endpoint_account_id;
            error_code = record.error_code;
            error_message = record.error_message;
            request_id = record.request_id;
            shared_event_id = record.shared_event_id;
            api_version = record.api_version;
            tls_version = record.tls_version;
            tls_cipher_suite = record.tls_cipher_suite;
            tls_host = record.tls_host;
            tls_key_exchange = record.tls_key_exchange;
        }
        if let Some(account) = record.recipient_account_id.as_deref().or(place.account_id) {
            c.recipient_account_id.set(row, account);
        }
        if let Some(agent) = record.user_agent.as_deref().map(agent::bare).filter(|agent| !agent.is_empty()) {
            c.user_agent.set(row, agent);
        }
        if let Some(flag) = record.management_event {
            c.management_event.set(row, flag);
        }
        if let Some(flag) = record.read_only {
            c.read_only.set(row, flag);
        }
        if let Some(flag) = record.session_credential_from_console {
            c.session_credential_from_console.set(row, flag);
        }
        c.derive_version.set(row, DERIVE_VERSION);
        c.record_hash.set(row, hash.cast_signed());
        c.src_bucket.set(row, place.bucket);
        c.src_key.set(row, place.key);
        c.src_ordinal.set(row, place.ordinal);
        c.ingest_time.set(row, self.ingest_time);
    }

    fn set_identity(&mut self, row: usize, record: &Record<'_>) {
        let c = &mut self.columns;
        let id = &record.identity;
        macro_rules! texts {
            ($($column:ident = $field:ident;)*) => {
                $(if let Some(value) = id.$field.as_deref() { c.$column.set(row, value); })*
            };
        }
        texts! {
            user_identity_type = kind;
            user_identity_principal_id = principal_id;
            user_identity_arn = arn;
            user_identity_account_id = account_id;
            user_identity_access_key_id = access_key_id;
            user_identity_user_name = user_name;
            user_identity_invoked_by = invoked_by;
            user_identity_identity_provider = identity_provider;
            user_identity_credential_id = credential_id;
            user_identity_on_behalf_of_user_id = on_behalf_of_user_id;
            user_identity_on_behalf_of_identity_store_arn = on_behalf_of_identity_store_arn;
            user_identity_in_scope_of_source_arn = in_scope_of_source_arn;
            user_identity_in_scope_of_source_account = in_scope_of_source_account;
            user_identity_in_scope_of_issuer_type = in_scope_of_issuer_type;
            user_identity_in_scope_of_credentials_issued_to = in_scope_of_credentials_issued_to;
            user_identity_invoked_by_delegate_account_id = invoked_by_delegate_account_id;
            session_issuer_type = issuer_type;
            session_issuer_user_name = issuer_user_name;
            session_issuer_principal_id = issuer_principal_id;
            session_issuer_arn = issuer_arn;
            session_issuer_account_id = issuer_account_id;
            session_source_identity = source_identity;
            session_ec2_role_delivery = ec2_role_delivery;
            session_sign_in_session_arn = sign_in_session_arn;
            session_web_id_federated_provider = web_id_federated_provider;
        }
        if let Some(flag) = id.mfa_authenticated {
            c.session_mfa_authenticated.set(row, flag);
        }
        if let Some(flag) = id.assumed_root {
            c.session_assumed_root.set(row, flag);
        }
        if let Some(created) = id.creation_date.as_deref().and_then(time::parse) {
            c.session_creation_date.set(row, created);
        }
        if let Some(attributes) = id.web_id_attributes.redacted().filter(|text| text != "{}") {
            c.session_web_id_attributes.set(row, &attributes);
        }
    }

    fn set_parts(&mut self, row: usize, record: &Record<'_>) {
        let c = &mut self.columns;
        macro_rules! parts {
            ($($part:ident => $column:ident;)*) => {
                $(if let Some(text) = record.$part.redacted() { c.$column.set(row, &text); })*
            };
        }
        parts! {
            request_parameters => request_parameters;
            response_elements => response_elements;
            additional_event_data => additional_event_data;
            service_event_details => service_event_details;
            insight_details => insight_details;
            addendum => addendum;
            edge_device_details => edge_device_details;
            event_context => event_context;
            resources_json => resources_json;
        }
        if !record.resources.is_empty() {
            c.resource_arns.set(row, record.resources.iter().map(|r| r.arn.as_deref()));
            c.resource_types.set(row, record.resources.iter().map(|r| r.kind.as_deref()));
            c.resource_account_ids.set(row, record.resources.iter().map(|r| r.account_id.as_deref()));
        }
        if !record.extra.is_empty() {
            let mut text = String::from("{");
            for (key, part) in &record.extra {
                if text.len() > 1 {
                    text.push(',');
                }
                text.push('"');
                text.push_str(key);
                text.push_str("\":");
                text.push_str(part.redacted().as_deref().unwrap_or("null"));
            }
            text.push('}');
            c.extra.set(row, &text);
        }
    }

    fn set_requests(&mut self, row: usize, record: &Record<'_>) {
        let c = &mut self.columns;
        macro_rules! texts {
            ($($column:ident = $value:expr;)*) => {
                $(if let Some(value) = $value.as_deref() { c.$column.set(row, value); })*
            };
        }
        let (request, response) = (&record.request, &record.response);
        if request_is_there(&record.request_parameters.raw) {
            texts! {
                request_role_arn = request.role_arn;
                request_role_name = request.role_name;
                request_role_session_name = request.role_session_name;
                request_user_name = request.user_name;
                request_group_name = request.group_name;
                request_policy_arn = request.policy_arn;
                request_policy_name = request.policy_name;
                request_policy_document = request.policy_document;
                request_access_key_id = request.access_key_id;
                request_instance_id = request.instance_id;
                request_bucket_name = request.bucket_name;
                request_key = request.key;
                request_serial_number = request.serial_number;
                request_target_principal = request.target_principal;
                request_name = request.name;
                request_secret_id = request.secret_id;
            }
            if let Some(seconds) = request.duration_seconds {
                c.request_duration_seconds.set(row, seconds);
            }
        }
        let issued: &Text<'_> = if response.credentials_access_key_id.is_some() {
            &response.credentials_access_key_id
        } else {
            &response.access_key_id
        };
        texts! {
            response_access_key_id = issued;
            response_user_name = response.access_key_user_name;
            response_assumed_role_arn = response.assumed_role_arn;
        }
    }

    fn set_facts(&mut self, row: usize, record: &Record<'_>, place: &Address<'_>) {
        let c = &mut self.columns;
        let who = principal(record);
        c.principal_key.set(row, &who.key);
        c.principal_class.set(row, who.class);
        c.actor_is_service.set(row, who.actor_is_service);
        if let Some(name) = who.name {
            c.principal_name.set(row, name);
        }
        if let Some(session) = who.session_name {
            c.session_name.set(row, session);
        }
        let account =
            record.recipient_account_id.as_deref().or(place.account_id).or(record.identity.account_id.as_deref());
        if let Some(account) = account {
            c.account_id.set(row, account);
        }
        let login = login_result(record);
        if let Some(login) = login {
            c.login_result.set(row, login);
        }
        if let Some(used) = mfa_used(record) {
            c.mfa_used.set(row, used);
        }
        c.outcome.set(row, outcome(record, login).as_str());
        match record.source_ip_address.as_deref() {
            None => c.source_kind.set(row, SourceKind::Other.as_str()),
            Some(text) => {
                let place = self.sources.place(text, |text| Source::of(text, &self.geo));
                let source = self.sources.at(place);
                c.source_kind.set(row, source.kind.as_str());
                if let Some(ip) = &source.ip {
                    c.source_ip.set(row, ip);
                }
                match record.vpc_endpoint_id.as_deref() {
                    None => {
                        if let Some(net) = &source.network {
                            c.source_network.set(row, net);
                        }
                    }
                    endpoint => {
                        let asn = source.place.asn;
                        if let Some(net) = network::network(text, source.kind, source.address, asn, endpoint) {
                            c.source_network.set(row, &net);
                        }
                    }
                }
                set_place(c, row, &source.place);
            }
        }
        if let Some(text) = record.user_agent.as_deref() {
            let place = self.agents.place(text, Agent::of);
            let agent = self.agents.at(place);
            if let Some(family) = &agent.family {
                c.user_agent_family.set(row, family);
            }
            if let Some(os) = agent.os {
                c.user_agent_os.set(row, os);
            }
        }
    }
}

fn set_place(c: &mut Columns, row: usize, place: &Place) {
    if let Some(country) = &place.country {
        c.source_country.set(row, country);
    }
    if let Some(asn) = place.asn {
        c.source_asn.set(row, i64::from(asn));
    }
    if let Some(org) = &place.as_org {
        c.source_as_org.set(row, org);
    }
    if let (Some(latitude), Some(longitude)) = (place.latitude, place.longitude) {
        c.source_lat.set(row, latitude);
        c.source_lon.set(row, longitude);
    }
}

/// Most calls have no request parameters worth lifting.
fn request_is_there(raw: &Option<&str>) -> bool {
    raw.is_some_and(|raw| raw.len() > 2)
}

/// What a record must have to be a row; gives its time.
fn check(record: &Record<'_>) -> Result<i64, Refusal> {
    if record.event_type.as_deref() == Some("AwsAggregatedEvent")
        || record.event_category.as_deref() == Some("Aggregated")
    {
        return Err(Refusal::Skip("aggregated"));
    }
    if let Some(reason) = foreign(record) {
        return Err(Refusal::Skip(reason));
    }
    if let Some(version) = record.event_version.as_deref()
        && version.split('.').next() != Some("1")
    {
        return Err(Refusal::Park(
            "unknown_event_version",
            format!("eventVersion {} is not 1.x, the format that this version reads", shown(version)),
        ));
    }
    let Some(text) = record.event_time.as_deref() else {
        return Err(Refusal::Park("missing_event_time", "eventTime is missing".into()));
    };
    let Some(time) = time::parse(text) else {
        return Err(Refusal::Park("bad_event_time", format!("eventTime {} is not a time", shown(text))));
    };
    if record.insight_details.raw.is_none() {
        for (name, value) in [("eventSource", &record.event_source), ("eventName", &record.event_name)] {
            if value.is_none() {
                let reason = if name == "eventSource" { "missing_event_source" } else { "missing_event_name" };
                return Err(Refusal::Park(reason, format!("{name} is missing")));
            }
        }
    }
    Ok(time)
}

/// Objects that stand where records are expected and are something else.
fn foreign(record: &Record<'_>) -> Option<&'static str> {
    let source = record.event_source.as_deref().unwrap_or("");
    if source.starts_with("aws:") || source.starts_with("minio:") {
        return Some("notification");
    }
    let nothing_of_a_record = record.event_time.is_none()
        && record.event_source.is_none()
        && record.event_name.is_none()
        && record.event_id.is_none();
    if !nothing_of_a_record {
        return None;
    }
    let notice = record.extra.iter().any(|(key, _)| matches!(*key, "Sns" | "Event" | "s3Bucket" | "TopicArn"));
    Some(if notice { "notification" } else { "not_cloudtrail" })
}

/// A foreign value in a message: short, and without control characters.
fn shown(value: &str) -> String {
    let short: String = value.chars().filter(|c| !c.is_control()).take(40).collect();
    format!("{short:?}")
}

/// The event's name without its API version: `ListFunctions20150331`, `UpdateFunctionCode20150331v2`,
/// `GetDistribution2020_05_31` lose what follows the name.
pub fn unversioned(name: &str) -> &str {
    let bytes = name.as_bytes();
    if !bytes.last().is_some_and(u8::is_ascii_digit) {
        return name;
    }
    let mut end = bytes.len();
    while end > 0 && bytes[end - 1].is_ascii_digit() {
        end -= 1;
    }
    // What stands before a final `v2`; else the whole name.
    let dated = if end > 0 && bytes[end - 1] == b'v' && date_suffix(&bytes[..end - 1]).is_some() {
        end - 1
    } else {
        bytes.len()
    };
    match date_suffix(&bytes[..dated]) {
        Some(length) if dated > length => &name[..dated - length],
        _ => name,
    }
}

/// The length of a date `20150331` or `2015_03_31`, with one `_` before it or not, at the end of `bytes`.
fn date_suffix(bytes: &[u8]) -> Option<usize> {
    let plain = |tail: &[u8]| tail.starts_with(b"20") && tail.iter().all(u8::is_ascii_digit);
    let underscored = |tail: &[u8]| {
        tail.starts_with(b"20")
            && tail.iter().enumerate().all(|(i, b)| if i == 4 || i == 7 { *b == b'_' } else { b.is_ascii_digit() })
    };
    let length = if bytes.len() >= 10 && underscored(&bytes[bytes.len() - 10..]) {
        10
    } else if bytes.len() >= 8 && plain(&bytes[bytes.len() - 8..]) {
        8
    } else {
        return None;
    };
    let before = bytes.len().checked_sub(length + 1).map(|at| bytes[at]);
    Some(if before == Some(b'_') { length + 1 } else { length })
}
