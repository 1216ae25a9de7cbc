//! SQS by its JSON protocol, with visibility that passes in real time and receipt handles that end.

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::body::Body;
use axum::http::header;
use axum::response::Response;
use serde_json::{Value, json};
use tokio::time::Instant;

use super::faults::Fault;
use super::{Call, Inner, World, random};

/// The most that a poll gives.
const BATCH: usize = 10;

/// How a queue behaves.
#[derive(Clone, Copy, Debug)]
pub struct QueueOptions {
    pub visibility: Duration,
    /// Every message is there so many times, with one id.
    pub copies: u32,
    /// Messages come in no order.
    pub reorder: bool,
}

impl Default for QueueOptions {
    fn default() -> Self {
        Self { visibility: Duration::from_secs(30), copies: 1, reorder: false }
    }
}

#[derive(Debug)]
pub(super) struct Queue {
    options: QueueOptions,
    messages: HashMap<u64, Message>,
    /// Those that a poll may give. Deleted ones may stand among them.
    ready: VecDeque<u64>,
    /// Those that are received, by the time when they come back.
    hidden: BTreeMap<(Instant, u64), ()>,
    next: u64,
}

#[derive(Debug)]
struct Message {
    id: String,
    body: String,
    sent_millis: u128,
    received: u32,
    /// While it is received: until when.
    hidden_until: Option<Instant>,
}

impl Queue {
    pub fn new(options: QueueOptions) -> Self {
        Self { options, messages: HashMap::new(), ready: VecDeque::new(), hidden: BTreeMap::new(), next: 0 }
    }

    pub fn send(&mut self, body: &str) -> String {
        let id = format!("00000000-0000-4000-8000-{:012x}", self.next);
        let sent_millis = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |time| time.as_millis());
        for _ in 0..self.options.copies {
            let message =
                Message { id: id.clone(), body: body.to_string(), sent_millis, received: 0, hidden_until: None };
            self.messages.insert(self.next, message);
            self.ready.push_back(self.next);
            self.next += 1;
        }
        id
    }

    pub fn remaining(&self) -> usize {
        self.messages.len()
    }

    pub fn bodies(&self) -> Vec<String> {
        self.messages.values().map(|message| message.body.clone()).collect()
    }

    pub fn visible(&mut self) -> usize {
        self.come_back();
        self.messages.len() - self.hidden.len()
    }

    /// What was received and not deleted in time is there again.
    fn come_back(&mut self) {
        let now = Instant::now();
        while let Some(entry) = self.hidden.first_entry().filter(|entry| entry.key().0 <= now) {
            let ((_, at), ()) = entry.remove_entry();
            if let Some(message) = self.messages.get_mut(&at) {
                message.hidden_until = None;
                self.ready.push_back(at);
            }
        }
    }

    fn hide(&mut self, at: u64, time: Duration) {
        let Some(message) = self.messages.get_mut(&at) else { return };
        if let Some(until) = message.hidden_until.take() {
            self.hidden.remove(&(until, at));
        }
        if time.is_zero() {
            self.ready.push_back(at);
        } else {
            let until = Instant::now() + time;
            message.hidden_until = Some(until);
            self.hidden.insert((until, at), ());
        }
    }

    fn take(&mut self, max: usize, visibility: Duration, seed: &mut u64) -> Vec<Value> {
        self.come_back();
        let mut taken = Vec::new();
        while taken.len() < max.min(BATCH) && !self.ready.is_empty() {
            if self.options.reorder {
                let other = (random(seed) % self.ready.len() as u64) as usize;
                self.ready.swap(0, other);
            }
            let Some(at) = self.ready.pop_front() else { break };
            let Some(message) = self.messages.get_mut(&at) else { continue };
            message.received += 1;
            taken.push(json!({
                "MessageId": message.id,
                "ReceiptHandle": format!("{at}.{}", message.received),
                "Body": message.body,
                "Attributes": {
                    "SentTimestamp": message.sent_millis.to_string(),
                    "ApproximateReceiveCount": message.received.to_string(),
                },
            }));
            self.hide(at, visibility);
        }
        taken
    }

    /// The message that a handle holds; none when it came back since, or is deleted.
    fn holds(&mut self, handle: &str) -> Option<u64> {
        self.come_back();
        let (at, received) = handle.split_once('.')?;
        let at = at.parse().ok()?;
        let message = self.messages.get(&at)?;
        (message.hidden_until.is_some() && message.received.to_string() == received).then_some(at)
    }

    fn delete(&mut self, handle: &str) -> bool {
        let Some(at) = self.holds(handle) else { return false };
        if let Some(until) = self.messages.remove(&at).and_then(|message| message.hidden_until) {
            self.hidden.remove(&(until, at));
        }
        true
    }

    fn change(&mut self, handle: &str, time: Duration) -> bool {
        let Some(at) = self.holds(handle) else { return false };
        self.hide(at, time);
        true
    }
}

fn reply(status: u16, body: &Value) -> Response {
    Response::builder()
        .status(status)
        .header(header::CONTENT_TYPE, "application/x-amz-json-1.0")
        .body(Body::from(body.to_string()))
        .expect("all parts are plain")
}

fn error(status: u16, code: &str, message: &str) -> Response {
    let mut answer = reply(status, &json!({"__type": format!("com.amazonaws.sqs#{code}"), "message": message}));
    // What SQS adds for callers of its older protocol, and where the SDK takes the code from.
    let old = if code == "QueueDoesNotExist" { "AWS.SimpleQueueService.NonExistentQueue" } else { code };
    let value = format!("{old};{}", if status < 500 { "Sender" } else { "Receiver" });
    answer.headers_mut().insert("x-amzn-query-error", value.parse().expect("codes are plain"));
    answer
}

pub(super) async fn answer(world: &World, operation: &str, call: &Call) -> Response {
    let asked: Value = serde_json::from_slice(&call.body).unwrap_or(Value::Null);
    let url = asked["QueueUrl"].as_str().unwrap_or("");
    let name = url.rsplit('/').next().unwrap_or("").to_string();
    let fault = {
        let mut inner = world.lock();
        inner.count(operation);
        inner.fault(operation, &name)
    };
    match &fault {
        Some(Fault::Status { status, code, message }) => return error(*status, code, message),
        Some(Fault::Slow(pause)) => tokio::time::sleep(*pause).await,
        _ => {}
    }
    if operation == "ReceiveMessage" {
        return receive(world, &name, &asked).await;
    }
    let mut inner = world.lock();
    let Some(queue) = inner.queues.get_mut(&name) else { return no_queue() };
    match operation {
        "GetQueueAttributes" => {
            let visible = queue.visible();
            reply(
                200,
                &json!({"Attributes": {
                    "VisibilityTimeout": queue.options.visibility.as_secs().to_string(),
                    "ApproximateNumberOfMessages": visible.to_string(),
                    "ApproximateNumberOfMessagesNotVisible": queue.hidden.len().to_string(),
                    "ApproximateNumberOfMessagesDelayed": "0",
                }}),
            )
        }
        "GetQueueUrl" => reply(200, &json!({"QueueUrl": url})),
        "SendMessage" => {
            let id = queue.send(asked["MessageBody"].as_str().unwrap_or(""));
            drop(inner);
            world.arrived.notify_waiters();
            reply(200, &json!({"MessageId": id}))
        }
        "DeleteMessage" => match queue.delete(asked["ReceiptHandle"].as_str().unwrap_or("")) {
            true => reply(200, &json!({})),
            false => error(404, "ReceiptHandleIsInvalid", "The input receipt handle is invalid."),
        },
        "ChangeMessageVisibility" => {
            let changed =
                queue.change(asked["ReceiptHandle"].as_str().unwrap_or(""), seconds(&asked["VisibilityTimeout"]));
            drop(inner);
            world.arrived.notify_waiters();
            match changed {
                true => reply(200, &json!({})),
                false => error(400, "MessageNotInflight", "The message is not in flight."),
            }
        }
        "DeleteMessageBatch" | "ChangeMessageVisibilityBatch" => {
            let answer = batch(&mut inner, &name, operation, &asked, fault);
            drop(inner);
            world.arrived.notify_waiters();
            reply(200, &answer)
        }
        _ => error(400, "InvalidAction", "not spoken here"),
    }
}

fn no_queue() -> Response {
    error(400, "QueueDoesNotExist", "The specified queue does not exist.")
}

fn seconds(value: &Value) -> Duration {
    Duration::from_secs(value.as_u64().unwrap_or(0))
}

fn batch(inner: &mut Inner, name: &str, operation: &str, asked: &Value, fault: Option<Fault>) -> Value {
    let (mut successful, mut failed) = (Vec::new(), Vec::new());
    let entries = asked["Entries"].as_array().cloned().unwrap_or_default();
    let queue = inner.queues.get_mut(name).expect("it was there a moment ago");
    for (at, entry) in entries.iter().enumerate() {
        let mut fail = |code: &str, sender_fault: bool| {
            failed.push(json!({"Id": entry["Id"], "Code": code, "SenderFault": sender_fault, "Message": code}));
        };
        if let Some(Fault::Entries { code, sender_fault }) = fault.as_ref().filter(|_| at % 2 == 1) {
            fail(code, *sender_fault);
            continue;
        }
        let handle = entry["ReceiptHandle"].as_str().unwrap_or("");
        let done = match operation {
            "DeleteMessageBatch" => queue.delete(handle),
            _ => queue.change(handle, seconds(&entry["VisibilityTimeout"])),
        };
        match done {
            true => successful.push(json!({"Id": entry["Id"]})),
            false => fail("ReceiptHandleIsInvalid", true),
        }
    }
    json!({"Successful": successful, "Failed": failed})
}

/// A long poll: until there is something, at most as long as was asked for.
async fn receive(world: &World, name: &str, asked: &Value) -> Response {
    let max = asked["MaxNumberOfMessages"].as_u64().unwrap_or(1) as usize;
    let deadline = Instant::now() + seconds(&asked["WaitTimeSeconds"]);
    loop {
        let arrived = world.arrived.notified();
        let wake = {
            let mut guard = world.lock();
            let inner = &mut *guard;
            let Some(queue) = inner.queues.get_mut(name) else { return no_queue() };
            let visibility = match asked.get("VisibilityTimeout") {
                Some(asked) => seconds(asked),
                None => queue.options.visibility,
            };
            let taken = queue.take(max, visibility, &mut inner.random);
            if !taken.is_empty() {
                return reply(200, &json!({"Messages": taken}));
            }
            queue.hidden.keys().next().map_or(deadline, |(until, _)| deadline.min(*until))
        };
        if Instant::now() >= deadline {
            return reply(200, &json!({}));
        }
        tokio::select! {
            () = arrived => {}
            () = tokio::time::sleep_until(wake) => {}
        }
    }
}
