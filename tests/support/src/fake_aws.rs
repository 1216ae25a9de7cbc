//! An S3, an SQS, an STS, an IAM and an Organizations that run in this process: fast enough for load, and with the faults that no stand-in shows.
//!
//! It speaks HTTP as AWS does (S3's REST by path, SQS' JSON protocol 1.0, STS' and IAM's query protocol, the metadata services), keeps visibility
//! timeouts for real, knows which messages remain, and counts every call. It checks no signature, but it reads from it
//! who calls and for which region, so that roles and redirects can be tested. It runs on a thread and a runtime of its
//! own, so that tests of any kind can hold it; dropping it ends it.

use std::collections::{BTreeMap, HashMap};
use std::net::{SocketAddr, TcpListener};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use axum::body::{Body, Bytes};
use axum::extract::{Request, State};
use axum::http::{HeaderMap, Method, StatusCode, header};
use axum::response::Response;

mod faults;
mod iam;
pub mod metadata;
mod organizations;
mod s3;
mod sqs;

pub use faults::{Fault, Rule};
pub use iam::Account;
pub use organizations::Organization;
pub use s3::Bucket;
pub use sqs::QueueOptions;

/// The largest request body: ten messages of 1 MiB and their escapes, or an object.
const REQUEST_BYTES_MAX: usize = 64 << 20;
/// Access keys of roles begin like this; what follows is the role's place in the list.
const ROLE_KEY: &str = "ASIAROLE";
/// The account of whoever has no role.
pub const OWN_ACCOUNT: &str = "123456789012";

/// What the whole of it shares.
struct World {
    inner: Mutex<Inner>,
    /// Told when messages may have become visible.
    arrived: tokio::sync::Notify,
}

#[derive(Default)]
struct Inner {
    latency: Duration,
    buckets: HashMap<String, Bucket>,
    queues: HashMap<String, sqs::Queue>,
    /// What IAM tells, by id.
    accounts: HashMap<String, Account>,
    organization: Option<Organization>,
    /// ARN and the external id that is asked for.
    roles: Vec<(String, Option<String>)>,
    /// The place of the role that a workload here has by itself.
    workload_role: Option<usize>,
    rules: Vec<Rule>,
    calls: BTreeMap<String, u64>,
    random: u64,
}

impl World {
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("no holder panics")
    }
}

/// The server.
pub struct FakeAws {
    address: SocketAddr,
    world: Arc<World>,
    stop: Option<tokio::sync::oneshot::Sender<()>>,
}

impl FakeAws {
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        listener.set_nonblocking(true).expect("a socket can be set so");
        let address = listener.local_addr().expect("it is bound");
        let inner = Inner { random: 0x9e37_79b9_7f4a_7c15, ..Inner::default() };
        let world = Arc::new(World { inner: Mutex::new(inner), arrived: tokio::sync::Notify::new() });
        let (stop, stopped) = tokio::sync::oneshot::channel();
        let served = Arc::clone(&world);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
            runtime.expect("a runtime starts").block_on(async move {
                let listener = tokio::net::TcpListener::from_std(listener).expect("inside of a runtime");
                let app = axum::Router::new().fallback(answer).with_state(served);
                tokio::select! {
                    served = axum::serve(listener, app) => served.expect("a server runs for ever"),
                    _ = stopped => {}
                }
            });
        });
        Self { address, world, stop: Some(stop) }
    }

    pub fn endpoint(&self) -> String {
        format!("http://{}", self.address)
    }

    /// The environment in which the SDK finds it.
    pub fn env(&self) -> Vec<(String, String)> {
        [
            ("AWS_ENDPOINT_URL", self.endpoint().as_str()),
            ("AWS_REGION", "us-east-1"),
            ("AWS_ACCESS_KEY_ID", "AKIATEST"),
            ("AWS_SECRET_ACCESS_KEY", "test"),
        ]
        .map(|(name, value)| (name.to_string(), value.to_string()))
        .to_vec()
    }

    /// Every call waits for this long before it is looked at.
    pub fn set_latency(&self, latency: Duration) {
        self.world.lock().latency = latency;
    }

    /// A bucket of any region, that anybody may read.
    pub fn bucket(&self, name: &str) {
        self.bucket_with(name, Bucket::default());
    }

    pub fn bucket_with(&self, name: &str, bucket: Bucket) {
        self.world.lock().buckets.insert(name.to_string(), bucket);
    }

    /// Puts an object, and gives its ETag.
    pub fn put(&self, bucket: &str, key: &str, bytes: impl Into<Bytes>) -> String {
        let object = s3::Object::new(bytes.into());
        let tag = object.tag().to_string();
        let mut inner = self.world.lock();
        inner.buckets.get_mut(bucket).expect("the bucket was made").objects.insert(key.to_string(), object);
        tag
    }

    pub fn remove(&self, bucket: &str, key: &str) {
        self.world.lock().buckets.get_mut(bucket).expect("the bucket was made").objects.remove(key);
    }

    /// A role that may be assumed.
    pub fn role(&self, arn: &str, external_id: Option<&str>) {
        self.world.lock().roles.push((arn.to_string(), external_id.map(str::to_string)));
    }

    /// The role of the container or the instance that asks: its credentials are handed out to whoever is in it.
    pub fn workload_role(&self, arn: &str) {
        let mut inner = self.world.lock();
        inner.roles.push((arn.to_string(), None));
        inner.workload_role = Some(inner.roles.len() - 1);
    }

    /// What IAM tells to whoever asks as this account.
    pub fn account(&self, id: &str, account: Account) {
        self.world.lock().accounts.insert(id.to_string(), account);
    }

    /// What Organizations tells to its management account.
    pub fn organization(&self, organization: Organization) {
        self.world.lock().organization = Some(organization);
    }

    /// Makes a queue and gives its URL.
    pub fn queue(&self, name: &str, options: QueueOptions) -> String {
        self.world.lock().queues.insert(name.to_string(), sqs::Queue::new(options));
        format!("{}/123456789012/{name}", self.endpoint())
    }

    /// Puts a message on a queue, as often as its options say.
    pub fn send(&self, queue: &str, body: &str) {
        self.world.lock().queues.get_mut(queue).expect("the queue was made").send(body);
        self.world.arrived.notify_waiters();
    }

    /// Messages that were not deleted, copies counted apart.
    pub fn remaining(&self, queue: &str) -> usize {
        self.world.lock().queues[queue].remaining()
    }

    /// Messages that a poll would get now.
    pub fn visible(&self, queue: &str) -> usize {
        self.world.lock().queues.get_mut(queue).expect("the queue was made").visible()
    }

    /// Bodies of what was not deleted.
    pub fn bodies(&self, queue: &str) -> Vec<String> {
        self.world.lock().queues[queue].bodies()
    }

    /// Lets a fault happen.
    pub fn fail(&self, rule: Rule) {
        self.world.lock().rules.push(rule);
    }

    /// All faults are over.
    pub fn mend(&self) {
        self.world.lock().rules.clear();
    }

    /// Calls of an operation, such as `GetObject`, so far, those that were made to fail included.
    pub fn calls(&self, operation: &str) -> u64 {
        self.world.lock().calls.get(operation).copied().unwrap_or(0)
    }
}

impl Drop for FakeAws {
    fn drop(&mut self) {
        if let Some(stop) = self.stop.take() {
            // Nobody listens when the thread has ended already.
            let _ = stop.send(());
        }
    }
}

/// A request, as far as all services look at it.
struct Call {
    method: Method,
    path: String,
    query: HashMap<String, String>,
    headers: HeaderMap,
    body: Bytes,
    /// From the signature: the access key and the region.
    access_key: String,
    region: String,
}

async fn answer(State(world): State<Arc<World>>, request: Request) -> Response {
    let latency = world.lock().latency;
    if !latency.is_zero() {
        tokio::time::sleep(latency).await;
    }
    let (head, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, REQUEST_BYTES_MAX).await else {
        return status(StatusCode::BAD_REQUEST);
    };
    let (access_key, region) = signature(&head.headers);
    let call = Call {
        method: head.method,
        path: decode(head.uri.path(), false),
        query: form(head.uri.query().unwrap_or("")),
        headers: head.headers,
        body,
        access_key,
        region,
    };
    if let Some(target) = call.headers.get("x-amz-target").and_then(|target| target.to_str().ok()) {
        let operation = target.rsplit('.').next().unwrap_or("").to_string();
        return match target.starts_with("AWSOrganizations") {
            true => organizations::answer(&world, &operation, &call),
            false => sqs::answer(&world, &operation, &call).await,
        };
    }
    if metadata::is_asked(&call.path) {
        return metadata::answer(&world, &call);
    }
    if call.method == Method::POST && call.path == "/" {
        let asked = form(std::str::from_utf8(&call.body).unwrap_or(""));
        return match asked.get("Action").map(String::as_str) {
            Some("AssumeRole") => assume_role(&world, &asked),
            Some("GetCallerIdentity") => caller_identity(&world, &call),
            _ => iam::answer(&world, &call, &asked),
        };
    }
    s3::answer(&world, &call).await
}

/// `Credential=AKIATEST/20250309/us-east-1/s3/aws4_request`.
fn signature(headers: &HeaderMap) -> (String, String) {
    let text = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or("");
    let scope = text.split_once("Credential=").map_or("", |(_, rest)| rest.split(',').next().unwrap_or(""));
    let mut parts = scope.split('/');
    (parts.next().unwrap_or("").to_string(), parts.nth(1).unwrap_or("").to_string())
}

impl Inner {
    fn count(&mut self, operation: &str) {
        *self.calls.entry(operation.to_string()).or_default() += 1;
    }

    /// The next fault that is to happen to a call; `about` is the object's address or the queue's name.
    fn fault(&mut self, operation: &str, about: &str) -> Option<Fault> {
        let rule = self.rules.iter_mut().find(|rule| rule.applies(operation, about))?;
        rule.times -= 1;
        Some(rule.fault.clone())
    }

    /// The ARN of the role that an access key belongs to.
    fn role_of(&self, access_key: &str) -> Option<&str> {
        let at: usize = access_key.strip_prefix(ROLE_KEY)?.parse().ok()?;
        self.roles.get(at).map(|(arn, _)| arn.as_str())
    }

    /// The account that an access key belongs to.
    fn account_of(&self, access_key: &str) -> String {
        self.role_of(access_key).and_then(|arn| arn.split(':').nth(4)).unwrap_or(OWN_ACCOUNT).to_string()
    }
}

/// Numbers that look random, and are the same each time.
fn random(state: &mut u64) -> u64 {
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    *state
}

fn assume_role(world: &World, asked: &HashMap<String, String>) -> Response {
    let operation = "AssumeRole";
    let mut inner = world.lock();
    inner.count(operation);
    let arn = asked.get("RoleArn").cloned().unwrap_or_default();
    if let Some(Fault::Status { status, code, message }) = inner.fault(operation, &arn) {
        return xml(status, &query_error(&code, &message));
    }
    let found = inner
        .roles
        .iter()
        .position(|(role, id)| *role == arn && id.as_deref() == asked.get("ExternalId").map(String::as_str));
    let Some(at) = found else {
        let message = format!(
            "User: arn:aws:iam::{OWN_ACCOUNT}:user/test is not authorized to perform: sts:AssumeRole on resource: {arn}"
        );
        return xml(403, &query_error("AccessDenied", &message));
    };
    xml(
        200,
        &format!(
            r#"<AssumeRoleResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><AssumeRoleResult><AssumedRoleUser><Arn>{arn}</Arn><AssumedRoleId>AROA:trailhound</AssumedRoleId></AssumedRoleUser><Credentials><AccessKeyId>{ROLE_KEY}{at}</AccessKeyId><SecretAccessKey>secret</SecretAccessKey><SessionToken>token</SessionToken><Expiration>2099-01-01T00:00:00Z</Expiration></Credentials></AssumeRoleResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></AssumeRoleResponse>"#
        ),
    )
}

fn caller_identity(world: &World, call: &Call) -> Response {
    let mut inner = world.lock();
    inner.count("GetCallerIdentity");
    let account = inner.account_of(&call.access_key);
    xml(
        200,
        &format!(
            r#"<GetCallerIdentityResponse xmlns="https://sts.amazonaws.com/doc/2011-06-15/"><GetCallerIdentityResult><Arn>arn:aws:iam::{account}:user/test</Arn><UserId>AIDATEST</UserId><Account>{account}</Account></GetCallerIdentityResult><ResponseMetadata><RequestId>r</RequestId></ResponseMetadata></GetCallerIdentityResponse>"#
        ),
    )
}

/// An error of STS or IAM.
fn query_error(code: &str, message: &str) -> String {
    format!(
        "<ErrorResponse><Error><Type>Sender</Type><Code>{code}</Code><Message>{message}</Message></Error><RequestId>r</RequestId></ErrorResponse>"
    )
}

fn status(status: StatusCode) -> Response {
    Response::builder().status(status).body(Body::empty()).expect("a status is all there is")
}

fn xml(status: u16, body: &str) -> Response {
    typed(status, "application/xml", body)
}

fn json(body: &str) -> Response {
    typed(200, "application/json", body)
}

fn text(body: &str) -> Response {
    typed(200, "text/plain", body)
}

fn typed(status: u16, content: &str, body: &str) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, content)
        .body(Body::from(body.to_string()))
        .expect("all parts are fixed")
}

/// `%XX`, and `+` where the text is a form's.
fn decode(text: &str, plus: bool) -> String {
    let mut out = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        match byte {
            b'%' => {
                let mut digit = || bytes.next().and_then(|b| char::from(b).to_digit(16)).unwrap_or(0);
                out.push((digit() * 16 + digit()) as u8);
            }
            b'+' if plus => out.push(b' '),
            other => out.push(other),
        }
    }
    String::from_utf8_lossy(&out).into_owned()
}

fn form(text: &str) -> HashMap<String, String> {
    let pairs = text.split('&').filter(|pair| !pair.is_empty());
    pairs
        .map(|pair| pair.split_once('=').unwrap_or((pair, "")))
        .map(|(n, v)| (decode(n, true), decode(v, true)))
        .collect()
}
