//! One CloudTrail record, read from its text in one pass.
//!
//! In comes the text at a record's opening brace, out comes a [`Record`] whose parts are slices of that text. Nothing
//! in a record is trusted to be there, and a value of an unexpected type reads as absent from its column (the JSON
//! columns keep it as it is). The fields are those of the CloudTrail User Guide, "CloudTrail record contents for
//! management, data, and network activity events". One long file, because it is one list: each field's name, type and
//! place stand here and nowhere else.

use std::borrow::Cow;

use crate::json::{Cursor, JsonError, RawString, Span, Value, is_secret};

/// A scalar's text; `""` and null are `None`.
pub type Text<'a> = Option<Cow<'a, str>>;

/// A nested part as received, and which of its bytes are secrets.
#[derive(Debug, Default, Clone)]
pub struct Part<'a> {
    pub raw: Option<&'a str>,
    /// Spans within `raw`.
    pub secrets: Vec<Span>,
}

impl<'a> Part<'a> {
    /// The part's text with every secret's value replaced; all other bytes stay.
    pub fn redacted(&self) -> Option<Cow<'a, str>> {
        let raw = self.raw?;
        if self.secrets.is_empty() {
            return Some(Cow::Borrowed(raw));
        }
        let mut out = String::with_capacity(raw.len());
        let mut from = 0;
        for &(start, end) in &self.secrets {
            out.push_str(&raw[from..start]);
            out.push_str(REDACTED);
            from = end;
        }
        out.push_str(&raw[from..]);
        Some(Cow::Owned(out))
    }
}

/// What stands in place of a secret's value.
pub const REDACTED: &str = "\"REDACTED\"";

/// `userIdentity`, flat.
#[derive(Debug, Default)]
pub struct Identity<'a> {
    pub kind: Text<'a>,
    pub principal_id: Text<'a>,
    pub arn: Text<'a>,
    pub account_id: Text<'a>,
    pub access_key_id: Text<'a>,
    pub user_name: Text<'a>,
    pub invoked_by: Text<'a>,
    pub identity_provider: Text<'a>,
    pub credential_id: Text<'a>,
    pub on_behalf_of_user_id: Text<'a>,
    pub on_behalf_of_identity_store_arn: Text<'a>,
    pub in_scope_of_source_arn: Text<'a>,
    pub in_scope_of_source_account: Text<'a>,
    pub in_scope_of_issuer_type: Text<'a>,
    pub in_scope_of_credentials_issued_to: Text<'a>,
    pub invoked_by_delegate_account_id: Text<'a>,
    pub mfa_authenticated: Option<bool>,
    pub creation_date: Text<'a>,
    pub issuer_type: Text<'a>,
    pub issuer_user_name: Text<'a>,
    pub issuer_principal_id: Text<'a>,
    pub issuer_arn: Text<'a>,
    pub issuer_account_id: Text<'a>,
    pub source_identity: Text<'a>,
    pub ec2_role_delivery: Text<'a>,
    pub assumed_root: Option<bool>,
    pub sign_in_session_arn: Text<'a>,
    pub web_id_federated_provider: Text<'a>,
    pub web_id_attributes: Part<'a>,
}

/// Fields of `requestParameters` that rules ask for often.
#[derive(Debug, Default)]
pub struct Request<'a> {
    pub role_arn: Text<'a>,
    pub role_name: Text<'a>,
    pub role_session_name: Text<'a>,
    pub user_name: Text<'a>,
    pub group_name: Text<'a>,
    pub policy_arn: Text<'a>,
    pub policy_name: Text<'a>,
    pub policy_document: Text<'a>,
    pub access_key_id: Text<'a>,
    pub instance_id: Text<'a>,
    pub bucket_name: Text<'a>,
    pub key: Text<'a>,
    pub serial_number: Text<'a>,
    pub duration_seconds: Option<i64>,
    pub target_principal: Text<'a>,
    pub name: Text<'a>,
    pub secret_id: Text<'a>,
}

/// Fields of `responseElements` that rules ask for often.
#[derive(Debug, Default)]
pub struct Response<'a> {
    pub credentials_access_key_id: Text<'a>,
    pub access_key_id: Text<'a>,
    pub access_key_user_name: Text<'a>,
    pub assumed_role_arn: Text<'a>,
}

/// One element of `resources`.
#[derive(Debug, Default)]
pub struct Resource<'a> {
    pub arn: Text<'a>,
    pub kind: Text<'a>,
    pub account_id: Text<'a>,
}

/// One record. See [`crate::schema`] for where each field comes from.
#[derive(Debug, Default)]
pub struct Record<'a> {
    pub event_id: Text<'a>,
    pub event_time: Text<'a>,
    pub event_version: Text<'a>,
    pub event_source: Text<'a>,
    pub event_name: Text<'a>,
    pub event_type: Text<'a>,
    pub event_category: Text<'a>,
    pub aws_region: Text<'a>,
    pub recipient_account_id: Text<'a>,
    pub management_event: Option<bool>,
    pub read_only: Option<bool>,
    pub source_ip_address: Text<'a>,
    pub vpc_endpoint_id: Text<'a>,
    pub vpc_endpoint_account_id: Text<'a>,
    pub user_agent: Text<'a>,
    pub error_code: Text<'a>,
    pub error_message: Text<'a>,
    pub request_id: Text<'a>,
    pub shared_event_id: Text<'a>,
    pub api_version: Text<'a>,
    pub identity: Identity<'a>,
    pub session_credential_from_console: Option<bool>,
    pub tls_version: Text<'a>,
    pub tls_cipher_suite: Text<'a>,
    pub tls_host: Text<'a>,
    pub tls_key_exchange: Text<'a>,
    pub resources: Vec<Resource<'a>>,
    pub resources_json: Part<'a>,
    pub request_parameters: Part<'a>,
    pub request: Request<'a>,
    pub response_elements: Part<'a>,
    pub response: Response<'a>,
    /// `responseElements.<name>` and `serviceEventDetails.<name>` of sign-in events: which one counts depends on
    /// eventName, which may stand behind them.
    pub login_results: Vec<(Cow<'a, str>, Cow<'a, str>)>,
    pub mfa_used: Text<'a>,
    pub mfa_identifier: Text<'a>,
    pub saml_provider: Text<'a>,
    pub additional_event_data: Part<'a>,
    pub service_event_details: Part<'a>,
    pub insight_details: Part<'a>,
    pub addendum: Part<'a>,
    pub edge_device_details: Part<'a>,
    pub event_context: Part<'a>,
    /// Members without a column of their own: key and value as received.
    pub extra: Vec<(&'a str, Part<'a>)>,
    /// The record's own text.
    pub raw: &'a str,
}

/// What an object in a log turned out to be.
#[derive(Debug)]
pub enum Element<'a> {
    Record(Box<Record<'a>>),
    /// A `LookupEvents` event or a CloudWatch Logs event: the record is the text of this string.
    Wrapped(Cow<'a, str>),
    /// An EventBridge envelope: the record is this object.
    Detail(&'a str),
    /// Holds many elements in an array; the cursor was left before its bracket.
    Container,
    /// Something else that stands in such folders; a stable word.
    Foreign(&'static str),
}

/// Reads the object at the cursor.
pub fn read<'a>(cursor: &mut Cursor<'a>) -> Result<Element<'a>, JsonError> {
    cursor.secrets.clear();
    let from = {
        cursor.peek()?;
        cursor.at()
    };
    cursor.expect(b'{', "a record is an object")?;
    let mut record = Box::<Record<'a>>::default();
    let mut carried = None;
    let mut first = true;
    while let Some(key) = cursor.member(&mut first)? {
        match key.raw {
            "eventTime" => record.event_time = text(cursor)?,
            "eventID" => record.event_id = text(cursor)?,
            "eventName" => record.event_name = text(cursor)?,
            "eventSource" => record.event_source = text(cursor)?,
            "eventVersion" => record.event_version = text(cursor)?,
            "eventType" => record.event_type = text(cursor)?,
            "eventCategory" => record.event_category = text(cursor)?,
            "awsRegion" => record.aws_region = text(cursor)?,
            "recipientAccountId" => record.recipient_account_id = text(cursor)?,
            "managementEvent" => record.management_event = flag(cursor)?,
            "readOnly" => record.read_only = flag(cursor)?,
            "sourceIPAddress" => record.source_ip_address = text(cursor)?,
            "userAgent" => record.user_agent = text(cursor)?,
            "errorCode" => record.error_code = text(cursor)?,
            "errorMessage" => record.error_message = text(cursor)?,
            "requestID" => record.request_id = text(cursor)?,
            "sharedEventID" => record.shared_event_id = text(cursor)?,
            "apiVersion" => record.api_version = text(cursor)?,
            "vpcEndpointId" => record.vpc_endpoint_id = text(cursor)?,
            "vpcEndpointAccountId" => record.vpc_endpoint_account_id = text(cursor)?,
            "sessionCredentialFromConsole" => record.session_credential_from_console = flag(cursor)?,
            "userIdentity" => read_identity(cursor, &mut record)?,
            "tlsDetails" => read_tls(cursor, &mut record)?,
            "resources" => read_resources(cursor, &mut record)?,
            "requestParameters" => read_request(cursor, &mut record)?,
            "responseElements" => read_response(cursor, &mut record)?,
            "additionalEventData" => read_additional(cursor, &mut record)?,
            "serviceEventDetails" => {
                record.service_event_details = read_results(cursor, &mut record.login_results)?;
            }
            "insightDetails" => record.insight_details = part(cursor)?,
            "addendum" => record.addendum = part(cursor)?,
            "edgeDeviceDetails" => record.edge_device_details = part(cursor)?,
            "eventContext" => record.event_context = part(cursor)?,
            "Records" | "Events" | "logEvents" if cursor.peek()? == b'[' => return Ok(Element::Container),
            "digestPublicKeyFingerprint" | "digestS3Object" => return Ok(Element::Foreign("digest")),
            "configurationItems" | "configSnapshotId" => return Ok(Element::Foreign("config")),
            "CloudTrailEvent" | "message" | "detail" => {
                carried = Some((key.raw, cursor.peek()?, record.extra.len()));
                record.extra.push((key.raw, part(cursor)?));
            }
            _ => {
                if is_secret(key.raw) && cursor.peek()? == b'"' {
                    cursor.note_secret()?;
                }
                record.extra.push((key.raw, part(cursor)?));
            }
        }
    }
    record.raw = cursor.slice(from, cursor.at());
    if record.event_time.is_none() || record.event_source.is_none() {
        match carried {
            Some(("detail", b'{', at)) => return Ok(Element::Detail(record.extra[at].1.raw.unwrap_or(""))),
            Some(("CloudTrailEvent" | "message", b'"', at)) => {
                let mut inner = Cursor::new(record.extra[at].1.raw.unwrap_or("\"\""), 0);
                return Ok(Element::Wrapped(inner.string()?.value()));
            }
            _ => {}
        }
    }
    Ok(Element::Record(record))
}

/// The value as a column's text: strings without their quotes, numbers and booleans as they stand, `""` and null as
/// nothing, objects and arrays too.
#[inline]
fn text<'a>(cursor: &mut Cursor<'a>) -> Result<Text<'a>, JsonError> {
    Ok(match cursor.value()? {
        Value::String(string) => some(string),
        Value::Number(raw) => Some(Cow::Borrowed(raw)),
        Value::Bool(true) => Some(Cow::Borrowed("true")),
        Value::Bool(false) => Some(Cow::Borrowed("false")),
        Value::Null | Value::Object(_) | Value::Array(_) => None,
    })
}

#[inline]
fn some(string: RawString<'_>) -> Text<'_> {
    if string.raw.is_empty() { None } else { Some(string.value()) }
}

/// A JSON boolean, or the words that CloudTrail writes instead: `"true"`, `"Yes"` and so on in any case.
fn flag(cursor: &mut Cursor<'_>) -> Result<Option<bool>, JsonError> {
    Ok(match cursor.value()? {
        Value::Bool(flag) => Some(flag),
        Value::String(string) => word_flag(string.raw),
        _ => None,
    })
}

/// `true`/`yes` and `false`/`no` in any case.
pub fn word_flag(word: &str) -> Option<bool> {
    if word.eq_ignore_ascii_case("true") || word.eq_ignore_ascii_case("yes") {
        Some(true)
    } else if word.eq_ignore_ascii_case("false") || word.eq_ignore_ascii_case("no") {
        Some(false)
    } else {
        None
    }
}

fn integer(cursor: &mut Cursor<'_>) -> Result<Option<i64>, JsonError> {
    Ok(match cursor.value()? {
        Value::Number(raw) => raw.parse().ok(),
        Value::String(string) => string.raw.parse().ok(),
        _ => None,
    })
}

/// A nested part as it stands, null as nothing.
fn part<'a>(cursor: &mut Cursor<'a>) -> Result<Part<'a>, JsonError> {
    cursor.peek()?;
    let from = cursor.at();
    let noted = cursor.secrets.len();
    // A secret noted just before begins at `from`: the member's own value.
    let noted = noted - usize::from(cursor.secrets.last().is_some_and(|&(start, _)| start == from));
    let value = cursor.value()?;
    Ok(finish_part(cursor, from, noted, matches!(value, Value::Null)))
}

fn finish_part<'a>(cursor: &mut Cursor<'a>, from: usize, noted: usize, null: bool) -> Part<'a> {
    let secrets = if cursor.secrets.len() == noted {
        Vec::new()
    } else {
        cursor.secrets.drain(noted..).map(|(start, end)| (start - from, end - from)).collect()
    };
    Part { raw: (!null).then(|| cursor.slice(from, cursor.at())), secrets }
}

/// Reads the members of the object at the cursor with `each`, and gives the whole as a part. A value that is no
/// object is a part all the same.
#[inline]
fn members<'a>(
    cursor: &mut Cursor<'a>,
    each: impl FnMut(&mut Cursor<'a>, RawString<'a>) -> Result<(), JsonError>,
) -> Result<Part<'a>, JsonError> {
    if cursor.peek()? != b'{' {
        return part(cursor);
    }
    let (from, noted) = (cursor.at(), cursor.secrets.len());
    walk(cursor, each)?;
    Ok(finish_part(cursor, from, noted, false))
}

/// Reads the members of the object at the cursor with `each`; a value that is no object is skipped. The secrets met
/// stay noted for the part around it.
#[inline]
fn walk<'a>(
    cursor: &mut Cursor<'a>,
    mut each: impl FnMut(&mut Cursor<'a>, RawString<'a>) -> Result<(), JsonError>,
) -> Result<(), JsonError> {
    if cursor.peek()? != b'{' {
        return skip(cursor);
    }
    cursor.expect(b'{', "an object")?;
    let mut first = true;
    while let Some(key) = cursor.member(&mut first)? {
        if is_secret(key.raw) && cursor.peek()? == b'"' {
            cursor.note_secret()?;
        }
        each(cursor, key)?;
    }
    Ok(())
}

fn skip(cursor: &mut Cursor<'_>) -> Result<(), JsonError> {
    cursor.value().map(drop)
}

fn read_identity<'a>(cursor: &mut Cursor<'a>, record: &mut Record<'a>) -> Result<(), JsonError> {
    record.identity = Identity::default();
    let id = &mut record.identity;
    walk(cursor, |cursor, key| {
        match key.raw {
            "type" => id.kind = text(cursor)?,
            "principalId" => id.principal_id = text(cursor)?,
            "arn" => id.arn = text(cursor)?,
            "accountId" => id.account_id = text(cursor)?,
            "accessKeyId" => id.access_key_id = text(cursor)?,
            "userName" => id.user_name = text(cursor)?,
            "invokedBy" => id.invoked_by = text(cursor)?,
            "identityProvider" => id.identity_provider = text(cursor)?,
            "credentialId" => id.credential_id = text(cursor)?,
            "sessionContext" => read_session(cursor, id)?,
            "onBehalfOf" => walk(cursor, |cursor, key| {
                match key.raw {
                    "userId" => id.on_behalf_of_user_id = text(cursor)?,
                    "identityStoreArn" => id.on_behalf_of_identity_store_arn = text(cursor)?,
                    _ => skip(cursor)?,
                }
                Ok(())
            })?,
            "inScopeOf" => walk(cursor, |cursor, key| {
                match key.raw {
                    "sourceArn" => id.in_scope_of_source_arn = text(cursor)?,
                    "sourceAccount" => id.in_scope_of_source_account = text(cursor)?,
                    "issuerType" => id.in_scope_of_issuer_type = text(cursor)?,
                    "credentialsIssuedTo" => id.in_scope_of_credentials_issued_to = text(cursor)?,
                    _ => skip(cursor)?,
                }
                Ok(())
            })?,
            "invokedByDelegate" => walk(cursor, |cursor, key| {
                match key.raw {
                    "accountId" => id.invoked_by_delegate_account_id = text(cursor)?,
                    _ => skip(cursor)?,
                }
                Ok(())
            })?,
            _ => skip(cursor)?,
        }
        Ok(())
    })
}

fn read_session<'a>(cursor: &mut Cursor<'a>, id: &mut Identity<'a>) -> Result<(), JsonError> {
    walk(cursor, |cursor, key| {
        match key.raw {
            "attributes" => walk(cursor, |cursor, key| {
                match key.raw {
                    "mfaAuthenticated" => id.mfa_authenticated = flag(cursor)?,
                    "creationDate" => id.creation_date = text(cursor)?,
                    "sourceIdentity" => id.source_identity = text(cursor)?,
                    "ec2RoleDelivery" => id.ec2_role_delivery = text(cursor)?,
                    _ => skip(cursor)?,
                }
                Ok(())
            })?,
            "sessionIssuer" => walk(cursor, |cursor, key| {
                match key.raw {
                    "type" => id.issuer_type = text(cursor)?,
                    "userName" => id.issuer_user_name = text(cursor)?,
                    "principalId" => id.issuer_principal_id = text(cursor)?,
                    "arn" => id.issuer_arn = text(cursor)?,
                    "accountId" => id.issuer_account_id = text(cursor)?,
                    _ => skip(cursor)?,
                }
                Ok(())
            })?,
            "webIdFederationData" => walk(cursor, |cursor, key| {
                match key.raw {
                    "federatedProvider" => id.web_id_federated_provider = text(cursor)?,
                    "attributes" => id.web_id_attributes = part(cursor)?,
                    _ => skip(cursor)?,
                }
                Ok(())
            })?,
            "sourceIdentity" => id.source_identity = text(cursor)?,
            "ec2RoleDelivery" => id.ec2_role_delivery = text(cursor)?,
            "assumedRoot" => id.assumed_root = flag(cursor)?,
            "signInSessionArn" => id.sign_in_session_arn = text(cursor)?,
            _ => skip(cursor)?,
        }
        Ok(())
    })
}

fn read_tls<'a>(cursor: &mut Cursor<'a>, record: &mut Record<'a>) -> Result<(), JsonError> {
    walk(cursor, |cursor, key| {
        match key.raw {
            "tlsVersion" => record.tls_version = text(cursor)?,
            "cipherSuite" => record.tls_cipher_suite = text(cursor)?,
            "clientProvidedHostHeader" => record.tls_host = text(cursor)?,
            "keyExchange" => record.tls_key_exchange = text(cursor)?,
            _ => skip(cursor)?,
        }
        Ok(())
    })
}

fn read_resources<'a>(cursor: &mut Cursor<'a>, record: &mut Record<'a>) -> Result<(), JsonError> {
    if cursor.peek()? != b'[' {
        record.resources_json = part(cursor)?;
        return Ok(());
    }
    let (from, noted) = (cursor.at(), cursor.secrets.len());
    cursor.expect(b'[', "an array")?;
    let mut first = true;
    while cursor.element(b']', &mut first)? {
        let mut resource = Resource::default();
        walk(cursor, |cursor, key| {
            match key.raw {
                "ARN" | "arn" | "ARNPrefix" => resource.arn = text(cursor)?,
                "type" => resource.kind = text(cursor)?,
                "accountId" => resource.account_id = text(cursor)?,
                _ => skip(cursor)?,
            }
            Ok(())
        })?;
        record.resources.push(resource);
    }
    record.resources_json = finish_part(cursor, from, noted, false);
    Ok(())
}

fn read_request<'a>(cursor: &mut Cursor<'a>, record: &mut Record<'a>) -> Result<(), JsonError> {
    record.request = Request::default();
    let request = &mut record.request;
    record.request_parameters = members(cursor, |cursor, key| {
        match key.raw {
            "roleArn" => request.role_arn = text(cursor)?,
            "roleName" => request.role_name = text(cursor)?,
            "roleSessionName" => request.role_session_name = text(cursor)?,
            "userName" => request.user_name = text(cursor)?,
            "groupName" => request.group_name = text(cursor)?,
            "policyArn" => request.policy_arn = text(cursor)?,
            "policyName" => request.policy_name = text(cursor)?,
            "policyDocument" | "assumeRolePolicyDocument" | "policy" | "bucketPolicy" => {
                // S3 writes `"policy":[""]` beside `bucketPolicy`: an array is no document.
                match cursor.value()? {
                    Value::String(string) => request.policy_document = some(string),
                    Value::Object(raw) => request.policy_document = Some(Cow::Borrowed(raw)),
                    _ => {}
                }
            }
            "accessKeyId" => request.access_key_id = text(cursor)?,
            "instanceId" => request.instance_id = text(cursor)?,
            "bucketName" => request.bucket_name = text(cursor)?,
            "key" => request.key = text(cursor)?,
            "serialNumber" => request.serial_number = text(cursor)?,
            "durationSeconds" => request.duration_seconds = integer(cursor)?,
            "targetPrincipal" => request.target_principal = text(cursor)?,
            "name" => request.name = text(cursor)?,
            "secretId" => request.secret_id = text(cursor)?,
            _ => skip(cursor)?,
        }
        Ok(())
    })?;
    Ok(())
}

fn read_response<'a>(cursor: &mut Cursor<'a>, record: &mut Record<'a>) -> Result<(), JsonError> {
    record.response = Response::default();
    let Record { response, login_results, .. } = record;
    let part = members(cursor, |cursor, key| {
        match key.raw {
            "credentials" => walk(cursor, |cursor, key| {
                match key.raw {
                    "accessKeyId" => response.credentials_access_key_id = text(cursor)?,
                    _ => skip(cursor)?,
                }
                Ok(())
            })?,
            "accessKey" => walk(cursor, |cursor, key| {
                match key.raw {
                    "accessKeyId" => response.access_key_id = text(cursor)?,
                    "userName" => response.access_key_user_name = text(cursor)?,
                    _ => skip(cursor)?,
                }
                Ok(())
            })?,
            "assumedRoleUser" => walk(cursor, |cursor, key| {
                match key.raw {
                    "arn" => response.assumed_role_arn = text(cursor)?,
                    _ => skip(cursor)?,
                }
                Ok(())
            })?,
            _ => note_result(cursor, key, login_results)?,
        }
        Ok(())
    })?;
    record.response_elements = part;
    Ok(())
}

/// Sign-in events say how they ended in a member that is called like the event: `"ConsoleLogin": "Success"`.
fn note_result<'a>(
    cursor: &mut Cursor<'a>,
    key: RawString<'a>,
    results: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
) -> Result<(), JsonError> {
    if let Value::String(string) = cursor.value()?
        && (string.raw.eq_ignore_ascii_case("Success") || string.raw.eq_ignore_ascii_case("Failure"))
    {
        results.push((key.value(), string.value()));
    }
    Ok(())
}

fn read_results<'a>(
    cursor: &mut Cursor<'a>,
    results: &mut Vec<(Cow<'a, str>, Cow<'a, str>)>,
) -> Result<Part<'a>, JsonError> {
    members(cursor, |cursor, key| note_result(cursor, key, results))
}

fn read_additional<'a>(cursor: &mut Cursor<'a>, record: &mut Record<'a>) -> Result<(), JsonError> {
    let part = members(cursor, |cursor, key| {
        match key.raw {
            "MFAUsed" => record.mfa_used = text(cursor)?,
            "MFAIdentifier" => record.mfa_identifier = text(cursor)?,
            "SamlProviderArn" => record.saml_provider = text(cursor)?,
            _ => skip(cursor)?,
        }
        Ok(())
    })?;
    record.additional_event_data = part;
    Ok(())
}
