//! Writes one CloudTrail record as JSON text, with the keys in the order in which CloudTrail writes them. No tree is built: the text is
//! appended to a buffer, which is what makes hundreds of millions of events possible.

use crate::{ids, rng::Rng};

/// One event, as far as it differs from others. Bodies are JSON text.
#[derive(Clone, Copy, Debug)]
pub struct Call<'a> {
    pub time: i64,
    /// Service without `.amazonaws.com`.
    pub service: &'a str,
    pub name: &'a str,
    pub region: &'a str,
    /// Account that this copy of the record was delivered to.
    pub account: &'a str,
    /// `userIdentity` as JSON text.
    pub identity: &'a str,
    pub ip: &'a str,
    pub agent: &'a str,
    /// Error code (may be empty: a failed sign-in has a message only) and message.
    pub error: Option<(&'a str, &'a str)>,
    pub request: &'a [u8],
    pub response: &'a [u8],
    /// `additionalEventData`; empty when absent. S3's is made here.
    pub additional: &'a str,
    /// `resources`; empty when absent.
    pub resources: &'a [u8],
    pub read_only: bool,
    pub data: bool,
    pub kind: Kind,
    /// `sharedEventID`, where the record has a twin in another account (and on every call of a service).
    pub shared: Option<u128>,
    /// Id and owner of the VPC endpoint that the call went through.
    pub endpoint: Option<(&'a str, &'a str)>,
    /// Made with a credential of a console session.
    pub console: bool,
    /// Delivered late, and said so.
    pub late: bool,
}

/// `eventType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    Api,
    SignIn,
    Service,
}

impl<'a> Call<'a> {
    /// A call of a read API with nothing in it: the start from which callers change what differs.
    pub fn new(
        time: i64,
        service: &'a str,
        name: &'a str,
        region: &'a str,
        account: &'a str,
        identity: &'a str,
    ) -> Call<'a> {
        Call {
            time,
            service,
            name,
            region,
            account,
            identity,
            ip: "AWS Internal",
            agent: "AWS Internal",
            error: None,
            request: b"null",
            response: b"null",
            additional: "",
            resources: b"",
            read_only: true,
            data: false,
            kind: Kind::Api,
            shared: None,
            endpoint: None,
            console: false,
            late: false,
        }
    }
}

/// Services whose records were brought to another minor version than most; the rest write 1.09 or 1.11 by their name.
fn version(service: &str) -> &'static str {
    match service {
        "signin" | "sts" | "config" | "elasticloadbalancing" => "1.08",
        "ec2" | "iam" | "cloudtrail" => "1.10",
        "s3" | "kms" | "sso" => "1.11",
        _ if service.len().is_multiple_of(3) => "1.09",
        _ => "1.11",
    }
}

/// Appends the record and tells its event id.
pub fn write(out: &mut Vec<u8>, call: &Call, rng: &mut Rng) -> u128 {
    let id = ids::uuid(rng);
    push(
        out,
        &["{\"eventVersion\":\"", version(call.service), "\",\"userIdentity\":", call.identity, ",\"eventTime\":\""],
    );
    ids::push_time(out, call.time);
    push(
        out,
        &[
            "\",\"eventSource\":\"",
            call.service,
            ".amazonaws.com\",\"eventName\":\"",
            call.name,
            "\",\"awsRegion\":\"",
            call.region,
        ],
    );
    push(out, &["\",\"sourceIPAddress\":\"", call.ip, "\",\"userAgent\":\""]);
    // S3 writes the agent in brackets.
    let bracket = call.service == "s3" && !call.agent.ends_with(".amazonaws.com");
    push(out, &[if bracket { "[" } else { "" }, call.agent, if bracket { "]\"" } else { "\"" }]);
    if let Some((code, message)) = call.error {
        if !code.is_empty() {
            push(out, &[",\"errorCode\":\"", code, "\""]);
        }
        push(out, &[",\"errorMessage\":\"", message, "\""]);
    }
    out.extend_from_slice(b",\"requestParameters\":");
    out.extend_from_slice(call.request);
    out.extend_from_slice(b",\"responseElements\":");
    out.extend_from_slice(if call.error.is_some() && call.kind == Kind::Api { b"null" } else { call.response });
    additional(out, call, rng);
    request_id(out, call, rng);
    out.extend_from_slice(b",\"eventID\":\"");
    ids::push_uuid(out, id);
    push(out, &["\",\"readOnly\":", if call.read_only { "true" } else { "false" }]);
    if !call.resources.is_empty() {
        out.extend_from_slice(b",\"resources\":");
        out.extend_from_slice(call.resources);
    }
    ending(out, call);
    id
}

fn additional(out: &mut Vec<u8>, call: &Call, rng: &mut Rng) {
    if call.service != "s3" {
        if !call.additional.is_empty() {
            out.extend_from_slice(b",\"additionalEventData\":");
            out.extend_from_slice(call.additional.as_bytes());
        }
        return;
    }
    let sent = if call.data && !call.read_only { rng.below(400_000) } else { 0 };
    let received = if call.error.is_some() {
        243
    } else if call.data && call.read_only {
        rng.below(2_000_000)
    } else {
        rng.below(1_500)
    };
    let cipher = if call.kind == Kind::Api && call.ip.ends_with(".com") {
        "ECDHE-RSA-AES128-GCM-SHA256"
    } else {
        "TLS_AES_128_GCM_SHA256"
    };
    out.extend_from_slice(b",\"additionalEventData\":{\"SignatureVersion\":\"SigV4\",\"CipherSuite\":\"");
    out.extend_from_slice(cipher.as_bytes());
    out.extend_from_slice(b"\",\"bytesTransferredIn\":");
    push_number(out, sent);
    out.extend_from_slice(b",\"AuthenticationMethod\":\"AuthHeader\",\"x-amz-id-2\":\"");
    ids::push_base64(out, 75, rng);
    out.extend_from_slice(b"=\",\"bytesTransferredOut\":");
    push_number(out, received);
    out.push(b'}');
}

fn request_id(out: &mut Vec<u8>, call: &Call, rng: &mut Rng) {
    if call.kind != Kind::Api {
        return;
    }
    out.extend_from_slice(b",\"requestID\":\"");
    if call.service == "s3" {
        ids::push_s3_request(out, rng);
    } else {
        ids::push_uuid(out, ids::uuid(rng));
    }
    out.push(b'"');
}

/// What stands behind `resources`.
fn ending(out: &mut Vec<u8>, call: &Call) {
    let kind = match call.kind {
        Kind::Api => "AwsApiCall",
        Kind::SignIn => "AwsConsoleSignIn",
        Kind::Service => "AwsServiceEvent",
    };
    push(out, &[",\"eventType\":\"", kind, "\",\"managementEvent\":", if call.data { "false" } else { "true" }]);
    push(out, &[",\"recipientAccountId\":\"", call.account, "\""]);
    if let Some(shared) = call.shared {
        out.extend_from_slice(b",\"sharedEventID\":\"");
        ids::push_uuid(out, shared);
        out.push(b'"');
    }
    if let Some((endpoint, owner)) = call.endpoint {
        push(out, &[",\"vpcEndpointId\":\"", endpoint, "\""]);
        if !owner.is_empty() {
            push(out, &[",\"vpcEndpointAccountId\":\"", owner, "\""]);
        }
    }
    push(out, &[",\"eventCategory\":\"", if call.data { "Data" } else { "Management" }, "\""]);
    if call.late {
        out.extend_from_slice(b",\"addendum\":{\"reason\":\"DELIVERY_DELAY\"}");
    }
    // A service that calls on somebody's behalf, and the console's own proxy, leave no TLS details.
    let address = call.ip.starts_with(|first: char| first.is_ascii_digit()) || call.ip.contains(':');
    if address && call.kind != Kind::Service && !call.console {
        push(
            out,
            &[
                ",\"tlsDetails\":{\"tlsVersion\":\"TLSv1.3\",\"cipherSuite\":\"TLS_AES_128_GCM_SHA256\",\"clientProvidedHostHeader\":\"",
            ],
        );
        match (call.service, call.kind) {
            ("signin", _) => push(out, &[call.region, ".signin.aws.amazon.com\"}"]),
            ("iam" | "organizations" | "cloudfront" | "route53", _) => push(out, &[call.service, ".amazonaws.com\"}"]),
            _ => push(out, &[call.service, ".", call.region, ".amazonaws.com\"}"]),
        }
    }
    if call.console {
        out.extend_from_slice(b",\"sessionCredentialFromConsole\":\"true\"");
    }
    out.push(b'}');
}

/// Appends texts.
#[inline]
fn push(out: &mut Vec<u8>, parts: &[&str]) {
    parts.iter().for_each(|part| out.extend_from_slice(part.as_bytes()));
}

fn push_number(out: &mut Vec<u8>, number: u64) {
    let mut digits = [0u8; 20];
    let mut at = digits.len();
    let mut left = number;
    loop {
        at -= 1;
        digits[at] = b'0' + (left % 10) as u8;
        left /= 10;
        if left == 0 {
            break;
        }
    }
    out.extend_from_slice(&digits[at..]);
}
