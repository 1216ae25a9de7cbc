//! The one definition of an `events` row: every column with its type, where it comes from and what it means.
//!
//! The Arrow schema, the builders that decoding fills and the reference page (`docs/events.md`) all come from the
//! table below. The types are those that Delta's scan gives back, so that a batch in memory and the table are the
//! same: text as string views, times in microseconds UTC.

mod reference;

use std::sync::{Arc, LazyLock};

use arrow::datatypes::{DataType, Field, Schema, SchemaRef, TimeUnit};

pub use reference::reference;

use crate::column::{Date, Flag, Float, Int, Long, Text, TextList, Time};

/// Bumped when a fact derived from one record (principal, agent, network, outcome …) is derived differently.
pub const DERIVE_VERSION: i32 = 1;

/// One column of `events`.
#[derive(Debug, Clone, Copy)]
pub struct Column {
    pub name: &'static str,
    pub kind: Kind,
    pub nullable: bool,
    /// Follows from the other columns, and from GeoIP files: [`Rederiver`](crate::Rederiver) makes it anew.
    pub derived: bool,
    /// The CloudTrail field, in CloudTrail's spelling, or how the value is derived.
    pub from: &'static str,
}

impl Column {
    /// Where the value stands in a record: the members' names, from the top. Only of columns that hold a field as it is.
    pub fn path(&self) -> Option<Vec<&'static str>> {
        let end = self.from.find([' ', ';', ',']).unwrap_or(self.from.len());
        let path = &self.from[..end];
        let field = path == self.from || path.contains(|c: char| c.is_ascii_uppercase() || c == '.');
        (field && path.starts_with(|c: char| c.is_ascii_lowercase()) && !path.contains('[') && !self.derived)
            .then(|| path.split('.').collect())
    }
}

/// What a column holds, and with that its Arrow type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Text; `""`, JSON null and absence are all null.
    Text,
    /// JSON text, every byte as received but for secrets, whose values are replaced.
    Json,
    Flag,
    Int,
    Long,
    Float,
    /// Microseconds since the epoch, UTC.
    Time,
    /// Days since the epoch, UTC.
    Date,
    TextList,
}

impl Kind {
    pub fn data_type(self) -> DataType {
        match self {
            Kind::Text | Kind::Json => DataType::Utf8View,
            Kind::Flag => DataType::Boolean,
            Kind::Int => DataType::Int32,
            Kind::Long => DataType::Int64,
            Kind::Float => DataType::Float64,
            Kind::Time => DataType::Timestamp(TimeUnit::Microsecond, Some("UTC".into())),
            Kind::Date => DataType::Date32,
            Kind::TextList => DataType::List(Arc::new(list_item())),
        }
    }
}

/// The field inside a list column, as Delta's scan names and types it.
pub(crate) fn list_item() -> Field {
    Field::new("element", DataType::Utf8View, true)
}

macro_rules! builder {
    (Text) => {
        Text
    };
    (Json) => {
        Text
    };
    (Flag) => {
        Flag
    };
    (Int) => {
        Int
    };
    (Long) => {
        Long
    };
    (Float) => {
        Float
    };
    (Time) => {
        Time
    };
    (Date) => {
        Date
    };
    (TextList) => {
        TextList
    };
}

macro_rules! nullable {
    (required) => {
        false
    };
    (optional) => {
        true
    };
}

macro_rules! derived {
    () => {
        false
    };
    (derived) => {
        true
    };
}

macro_rules! events {
    ($($name:ident: $kind:ident, $null:ident $($derived:ident)?, $from:literal;)*) => {
        /// Every column of `events`, in the order of the table.
        pub static COLUMNS: &[Column] = &[
            $(Column {
                name: stringify!($name),
                kind: Kind::$kind,
                nullable: nullable!($null),
                derived: derived!($($derived)?),
                from: $from,
            },)*
        ];

        /// One builder a column. A value is set for a row; rows that were not set are null.
        #[derive(Default)]
        pub(crate) struct Columns {
            $(pub $name: builder!($kind),)*
        }

        impl Columns {
            pub fn finish(&mut self, rows: usize) -> Vec<arrow::array::ArrayRef> {
                vec![$(self.$name.finish(rows),)*]
            }
        }
    };
}

events! {
    event_id: Text, required, "eventID; without one `sha256:` and the hash of the record";
    event_time: Time, required, "eventTime";
    event_version: Text, optional, "eventVersion";
    event_source: Text, optional, "eventSource; null for Insights records";
    event_name: Text, optional, "eventName; null for Insights records";
    event_name_norm: Text, optional derived, "eventName without its API version suffix (ListFunctions20150331 → ListFunctions)";
    event_type: Text, optional, "eventType";
    event_category: Text, optional, "eventCategory; before version 1.07 from managementEvent";
    aws_region: Text, optional, "awsRegion";
    recipient_account_id: Text, optional, "recipientAccountId, else the account in the object's key";
    management_event: Flag, optional, "managementEvent";
    read_only: Flag, optional, "readOnly";
    source_ip_address: Text, optional, "sourceIPAddress as received";
    source_ip: Text, optional derived, "sourceIPAddress where it is an address, in canonical form";
    vpc_endpoint_id: Text, optional, "vpcEndpointId";
    vpc_endpoint_account_id: Text, optional, "vpcEndpointAccountId";
    user_agent: Text, optional, "userAgent without one pair of square brackets";
    error_code: Text, optional, "errorCode";
    error_message: Text, optional, "errorMessage";
    request_id: Text, optional, "requestID";
    shared_event_id: Text, optional, "sharedEventID";
    api_version: Text, optional, "apiVersion";
    user_identity_type: Text, optional, "userIdentity.type";
    user_identity_principal_id: Text, optional, "userIdentity.principalId";
    user_identity_arn: Text, optional, "userIdentity.arn";
    user_identity_account_id: Text, optional, "userIdentity.accountId";
    user_identity_access_key_id: Text, optional, "userIdentity.accessKeyId";
    user_identity_user_name: Text, optional, "userIdentity.userName";
    user_identity_invoked_by: Text, optional, "userIdentity.invokedBy";
    user_identity_identity_provider: Text, optional, "userIdentity.identityProvider";
    user_identity_credential_id: Text, optional, "userIdentity.credentialId";
    user_identity_on_behalf_of_user_id: Text, optional, "userIdentity.onBehalfOf.userId";
    user_identity_on_behalf_of_identity_store_arn: Text, optional, "userIdentity.onBehalfOf.identityStoreArn";
    user_identity_in_scope_of_source_arn: Text, optional, "userIdentity.inScopeOf.sourceArn";
    user_identity_in_scope_of_source_account: Text, optional, "userIdentity.inScopeOf.sourceAccount";
    user_identity_in_scope_of_issuer_type: Text, optional, "userIdentity.inScopeOf.issuerType";
    user_identity_in_scope_of_credentials_issued_to: Text, optional, "userIdentity.inScopeOf.credentialsIssuedTo";
    user_identity_invoked_by_delegate_account_id: Text, optional, "userIdentity.invokedByDelegate.accountId";
    session_mfa_authenticated: Flag, optional, "userIdentity.sessionContext.attributes.mfaAuthenticated";
    session_creation_date: Time, optional, "userIdentity.sessionContext.attributes.creationDate";
    session_issuer_type: Text, optional, "userIdentity.sessionContext.sessionIssuer.type";
    session_issuer_user_name: Text, optional, "userIdentity.sessionContext.sessionIssuer.userName";
    session_issuer_principal_id: Text, optional, "userIdentity.sessionContext.sessionIssuer.principalId";
    session_issuer_arn: Text, optional, "userIdentity.sessionContext.sessionIssuer.arn";
    session_issuer_account_id: Text, optional, "userIdentity.sessionContext.sessionIssuer.accountId";
    session_source_identity: Text, optional, "userIdentity.sessionContext.sourceIdentity (or attributes.sourceIdentity)";
    session_ec2_role_delivery: Text, optional, "userIdentity.sessionContext.ec2RoleDelivery (or attributes.ec2RoleDelivery)";
    session_assumed_root: Flag, optional, "userIdentity.sessionContext.assumedRoot";
    session_sign_in_session_arn: Text, optional, "userIdentity.sessionContext.signInSessionArn";
    session_web_id_federated_provider: Text, optional, "userIdentity.sessionContext.webIdFederationData.federatedProvider";
    session_web_id_attributes: Json, optional, "userIdentity.sessionContext.webIdFederationData.attributes";
    session_credential_from_console: Flag, optional, "sessionCredentialFromConsole";
    tls_version: Text, optional, "tlsDetails.tlsVersion";
    tls_cipher_suite: Text, optional, "tlsDetails.cipherSuite";
    tls_host: Text, optional, "tlsDetails.clientProvidedHostHeader";
    tls_key_exchange: Text, optional, "tlsDetails.keyExchange";
    resource_arns: TextList, optional, "resources[].ARN, arn or ARNPrefix";
    resource_types: TextList, optional, "resources[].type, parallel to resource_arns";
    resource_account_ids: TextList, optional, "resources[].accountId, parallel to resource_arns";
    resources_json: Json, optional, "resources";
    request_parameters: Json, optional, "requestParameters";
    response_elements: Json, optional, "responseElements";
    additional_event_data: Json, optional, "additionalEventData";
    service_event_details: Json, optional, "serviceEventDetails";
    insight_details: Json, optional, "insightDetails";
    addendum: Json, optional, "addendum";
    edge_device_details: Json, optional, "edgeDeviceDetails";
    event_context: Json, optional, "eventContext";
    extra: Json, optional, "an object of the top-level fields that have no column";
    request_role_arn: Text, optional derived, "requestParameters.roleArn";
    request_role_name: Text, optional derived, "requestParameters.roleName";
    request_role_session_name: Text, optional derived, "requestParameters.roleSessionName";
    request_user_name: Text, optional derived, "requestParameters.userName";
    request_group_name: Text, optional derived, "requestParameters.groupName";
    request_policy_arn: Text, optional derived, "requestParameters.policyArn";
    request_policy_name: Text, optional derived, "requestParameters.policyName";
    request_policy_document: Text, optional derived, "requestParameters.policyDocument, assumeRolePolicyDocument, policy or bucketPolicy; text, or JSON where it is an object";
    request_access_key_id: Text, optional derived, "requestParameters.accessKeyId";
    request_instance_id: Text, optional derived, "requestParameters.instanceId";
    request_bucket_name: Text, optional derived, "requestParameters.bucketName";
    request_key: Text, optional derived, "requestParameters.key";
    request_serial_number: Text, optional derived, "requestParameters.serialNumber";
    request_duration_seconds: Long, optional derived, "requestParameters.durationSeconds";
    request_target_principal: Text, optional derived, "requestParameters.targetPrincipal";
    request_name: Text, optional derived, "requestParameters.name";
    request_secret_id: Text, optional derived, "requestParameters.secretId";
    response_access_key_id: Text, optional derived, "responseElements.credentials.accessKeyId, else responseElements.accessKey.accessKeyId";
    response_user_name: Text, optional derived, "responseElements.accessKey.userName";
    response_assumed_role_arn: Text, optional derived, "responseElements.assumedRoleUser.arn";
    login_result: Text, optional derived, "sign-in events: responseElements.<eventName>, else serviceEventDetails.<eventName> (Success or Failure)";
    mfa_used: Flag, optional derived, "additionalEventData.MFAUsed Yes/No; true too where MFAIdentifier is there";
    event_date: Date, required, "UTC day of event_time; the partition";
    account_id: Text, optional derived, "the account that the event is about: recipientAccountId, else the key's account, else userIdentity.accountId";
    principal_key: Text, required derived, "who, as a stable key (docs/events.md, Principals)";
    principal_name: Text, optional derived, "who, for people: user name, role name or service";
    principal_class: Text, required derived, "human, human_sso, human_iam_user, root, workload kinds … as far as one record tells";
    session_name: Text, optional derived, "the role session's name: what follows the first `:` of principalId, else the ARN's last part";
    actor_is_service: Flag, required derived, "an AWS service made the call, on its own or for somebody";
    source_kind: Text, required derived, "public, private, aws_service, aws_internal or other";
    source_network: Text, optional derived, "AS number if known (`AS64500`), else /24 or /48; the endpoint for private addresses; the service for services";
    source_country: Text, optional derived, "ISO country code, from the operator's file";
    source_asn: Long, optional derived, "autonomous system number, from the operator's file";
    source_as_org: Text, optional derived, "autonomous system organisation, from the operator's file";
    source_lat: Float, optional derived, "latitude, from the operator's file";
    source_lon: Float, optional derived, "longitude, from the operator's file";
    user_agent_family: Text, optional derived, "aws-cli, boto3, browser, console, terraform … without versions";
    user_agent_os: Text, optional derived, "linux, amazon-linux, macos, windows, kali, parrot, pentoo, android, ios";
    outcome: Text, required derived, "success, denied or failure";
    derive_version: Int, required derived, "version of the facts derived from one record";
    record_hash: Long, required, "xxh3-64 of the record's bytes as received; copies of one event share it";
    src_bucket: Text, required, "the bucket, or the folder on disk";
    src_key: Text, required, "the object's key, or the path in the folder";
    src_ordinal: Int, required, "the record's place in the object, from 0";
    ingest_time: Time, required, "when Trailhound read it";
}

/// The Arrow schema of `events`.
pub fn schema() -> SchemaRef {
    static SCHEMA: LazyLock<SchemaRef> = LazyLock::new(|| {
        Arc::new(Schema::new(
            COLUMNS.iter().map(|c| Field::new(c.name, c.kind.data_type(), c.nullable)).collect::<Vec<_>>(),
        ))
    });
    SCHEMA.clone()
}
