//! Messages of an SQS queue, each with a lease.
//!
//! Out come [`Message`]s, as long as there is room for them; back come acknowledgements and hand-backs. Promised: a
//! message is deleted when its lease is acknowledged and never else, whatever its receive count; while a lease lives,
//! the message stays invisible to others, up to SQS' twelve hours; a lease that is dropped lets its message come back
//! by itself. A fault that passes is waited out; one of the configuration ends [`Queue::receive`] with what to mend.
//!
//! Who holds the other ends: the keeper extends what [`Lease`]s hold, the settler sends what they were settled with.
//! Both are tasks of the [`Queue`] and end when it is dropped; what is not sent by then ([`Queue::drain`] says how
//! much) comes again, and is recognised by whoever kept its objects. A panic in one of them is a panic of `receive`.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use aws_sdk_sqs::Client;
use aws_sdk_sqs::types::QueueAttributeName;
use serde::Deserialize;
use tokio::sync::Notify;
use tokio::sync::mpsc::Sender;
use tokio::task::JoinSet;
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use crate::aws::{self, Aws, Backoff, Fault, Reach};
use crate::metrics::Metrics;

mod address;
mod error;
mod keeper;
mod lease;
mod poll;
mod probe;
mod settler;
#[cfg(test)]
mod tests;

pub use error::QueueError;
pub use lease::Lease;
pub use probe::Probed;

use address::Address;
use lease::Leases;
use settler::Settling;

/// The most that SQS gives or takes at once.
const BATCH: usize = 10;
/// A call that does not wait for messages.
const CALL_TIME_MAX: Duration = Duration::from_secs(10);
/// Tries of the first call, before anything runs.
const OPEN_TRIES_MAX: u32 = 5;
/// What is asked for where the queue's own timeout is 0, with which every message would be received for ever.
const VISIBILITY_SECONDS_DEFAULT: u32 = 30;
/// Polls at once, at most.
const POLLS_MAX: usize = 64;

/// The time, in microseconds since 1970; the one place where the service reads its clock is its caller's.
pub type Clock = fn() -> i64;

/// A queue as the configuration names it (`[[queue]]`).
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct QueueConfig {
    pub url: String,
    /// By default the URL's.
    pub region: Option<String>,
    /// Where SQS is reached; by default AWS, or the URL's own host where that is none of AWS.
    pub endpoint_url: Option<String>,
    pub role_arn: Option<String>,
    pub external_id: Option<String>,
    /// Long polls at once.
    #[serde(default = "polls")]
    pub polls: usize,
}

fn polls() -> usize {
    4
}

impl QueueConfig {
    /// A queue that needs nothing but its URL.
    pub fn new(url: impl Into<String>) -> Self {
        Self { url: url.into(), region: None, endpoint_url: None, role_arn: None, external_id: None, polls: polls() }
    }

    /// What can be said of it without a call: the URL, the region, the number of polls.
    pub fn check(&self) -> Result<(), QueueError> {
        Address::read(self)?;
        if self.polls == 0 || self.polls > POLLS_MAX {
            return Err(QueueError::Polls { url: self.url.clone(), max: POLLS_MAX });
        }
        Ok(())
    }
}

/// A message that was received.
#[derive(Debug)]
pub struct Message {
    /// SQS' id, the same each time that the message comes.
    pub id: String,
    pub body: String,
    /// When it was put on the queue; microseconds.
    pub sent_time: Option<i64>,
    pub received_time: i64,
    /// How often it has been received, this time included. Roughly; nothing is decided by it.
    pub receive_count: u32,
    /// The queue's name.
    pub queue: Arc<str>,
    pub lease: Lease,
}

/// What is in the queue, roughly, as SQS says.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Depth {
    pub visible: i64,
    pub in_flight: i64,
    pub delayed: i64,
    /// Age of the oldest message that is held; where none is held, how long there have been some that nobody received.
    pub oldest_age_seconds: f64,
}

/// What was not done by the end of a drain.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Pending {
    /// Acknowledged, not deleted: they come again and are known.
    pub deletes: usize,
    /// Handed back, not told to SQS: they come back when their time is over.
    pub returns: usize,
    /// Neither: somebody still works on them.
    pub held: usize,
}

impl Pending {
    pub fn is_empty(self) -> bool {
        self == Self::default()
    }
}

/// Times that tests shorten.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Times {
    /// How long a poll waits for messages.
    pub poll: Duration,
    /// A message can be held this long since it was received, by SQS' rule.
    pub lease_max: Duration,
    /// Waits after faults that pass.
    pub backoff: Backoff,
}

impl Default for Times {
    fn default() -> Self {
        Self {
            poll: Duration::from_secs(20),
            lease_max: Duration::from_secs(12 * 3600),
            backoff: Backoff { first: Duration::from_millis(200), longest: Duration::from_secs(20) },
        }
    }
}

/// What the tasks and leases of a queue share.
#[derive(Debug)]
struct Shared {
    client: Client,
    url: String,
    name: Arc<str>,
    metrics: Metrics,
    clock: Clock,
    times: Times,
    /// The visibility timeout as the queue says, or as it is asked for.
    visibility_seconds: AtomicU32,
    /// Whether it must be asked for.
    visibility_asked: bool,
    leases: Leases,
    settling: Settling,
    /// A fault of the configuration that a task met; `receive` ends with it.
    broken: std::sync::Mutex<Option<QueueError>>,
    broke: Notify,
}

impl Shared {
    fn visibility(&self) -> Duration {
        Duration::from_secs(self.visibility_seconds.load(Ordering::Relaxed).into())
    }

    /// Makes a call of SQS. A fault of the configuration is noted, for `receive` to end with.
    async fn call<T, E>(
        &self,
        operation: &'static str,
        time_max: Duration,
        send: impl Future<Output = Result<T, aws_sdk_sqs::error::SdkError<E, aws_sdk_sqs::config::http::HttpResponse>>>,
    ) -> Result<T, Fault>
    where
        E: aws_sdk_sqs::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        let result = self.try_call(operation, time_max, send).await;
        if let Err(fault) = &result
            && let Some(error) = QueueError::of(&self.url, operation, fault)
        {
            self.broken.lock().expect("no holder panics").get_or_insert(error);
            self.broke.notify_one();
        }
        result
    }

    /// Makes a call of SQS whose faults mean nothing for others.
    async fn try_call<T, E>(
        &self,
        operation: &'static str,
        time_max: Duration,
        send: impl Future<Output = Result<T, aws_sdk_sqs::error::SdkError<E, aws_sdk_sqs::config::http::HttpResponse>>>,
    ) -> Result<T, Fault>
    where
        E: aws_sdk_sqs::error::ProvideErrorMetadata + std::error::Error + 'static,
    {
        aws::call(&self.metrics, ("sqs", operation), time_max, send).await
    }

    fn broken(&self) -> Option<QueueError> {
        self.broken.lock().expect("no holder panics").clone()
    }
}

/// A queue that is open. Dropping it ends its tasks.
#[derive(Debug)]
pub struct Queue {
    shared: Arc<Shared>,
    polls: usize,
    /// Cancelled when a task ends, which only a panic can make it do.
    ended: CancellationToken,
    /// Since when messages have been seen that nobody receives.
    waiting_since: std::sync::Mutex<Option<i64>>,
    _tasks: JoinSet<()>,
}

impl Queue {
    /// Opens a queue: reads its attributes, which also tells whether it is there and may be read.
    pub async fn open(config: &QueueConfig, aws: &Aws, metrics: Metrics, clock: Clock) -> Result<Self, QueueError> {
        Self::open_with(config, aws, metrics, clock, Times::default()).await
    }

    pub(crate) async fn open_with(
        config: &QueueConfig,
        aws: &Aws,
        metrics: Metrics,
        clock: Clock,
        times: Times,
    ) -> Result<Self, QueueError> {
        config.check()?;
        let address = Address::read(config)?;
        let region = address.region.clone().or_else(|| aws.region().map(str::to_string));
        let Some(region) = region else { return Err(QueueError::NoRegion { url: config.url.clone() }) };
        let reach = Reach {
            role_arn: config.role_arn.clone(),
            external_id: config.external_id.clone(),
            region: Some(region),
            endpoint_url: address.endpoint_url,
        };
        let client = Client::new(&aws.config(&reach).await);
        let mut shared = Shared {
            client,
            url: config.url.clone(),
            name: address.name.into(),
            metrics,
            clock,
            times,
            visibility_seconds: AtomicU32::new(0),
            visibility_asked: false,
            leases: Leases::default(),
            settling: Settling::default(),
            broken: std::sync::Mutex::default(),
            broke: Notify::new(),
        };
        let seconds = shared.first_attributes().await?.visibility_seconds;
        if seconds == 0 {
            tracing::warn!(
                queue = %shared.name,
                "the queue's VisibilityTimeout is 0: {VISIBILITY_SECONDS_DEFAULT} s are asked for with every message; set one of 30 s or more"
            );
            shared.visibility_asked = true;
        }
        let seconds = if seconds == 0 { VISIBILITY_SECONDS_DEFAULT } else { seconds };
        shared.visibility_seconds = AtomicU32::new(seconds);
        shared.metrics.queue(&shared.name);
        let shared = Arc::new(shared);
        let ended = CancellationToken::new();
        let mut tasks = JoinSet::new();
        let (keeps, settles) = (ended.clone().drop_guard(), ended.clone().drop_guard());
        let (keeper, settler) = (Arc::clone(&shared), Arc::clone(&shared));
        tasks.spawn(async move {
            let _ended = keeps;
            keeper::run(keeper).await;
        });
        tasks.spawn(async move {
            let _ended = settles;
            settler::run(settler).await;
        });
        Ok(Self { shared, polls: config.polls, ended, waiting_since: std::sync::Mutex::default(), _tasks: tasks })
    }

    /// The last part of the URL: the label of metrics.
    pub fn name(&self) -> &Arc<str> {
        &self.shared.name
    }

    pub fn url(&self) -> &str {
        &self.shared.url
    }

    /// Receives messages into a channel until `cancel` or until the channel's other end is gone; several polls at
    /// once, each only while the channel has room for what it may bring. What was received and could not be handed on
    /// is handed back. Fails only where the configuration is wrong. The channel should have room for
    /// [`QueueConfig::polls`] × 20: what a poll has brought waits while it brings more.
    pub async fn receive(&self, into: Sender<Message>, cancel: CancellationToken) -> Result<(), QueueError> {
        let stop = cancel.child_token();
        let mut polls = JoinSet::new();
        for _ in 0..self.polls {
            polls.spawn(poll::run(Arc::clone(&self.shared), into.clone(), stop.clone()));
        }
        drop(into);
        let result = loop {
            tokio::select! {
                () = self.ended.cancelled() => panic!("a task of the queue {} ended", self.shared.name),
                () = self.shared.broke.notified() => if let Some(error) = self.shared.broken() {
                    break Err(error);
                },
                poll = polls.join_next() => match poll {
                    None => break Ok(()),
                    Some(Ok(())) => {}
                    Some(Err(error)) => std::panic::resume_unwind(error.into_panic()),
                },
            }
        };
        stop.cancel();
        while let Some(poll) = polls.join_next().await {
            if let Err(error) = poll {
                std::panic::resume_unwind(error.into_panic());
            }
        }
        // The notification may have come while nobody waited for it.
        result.and_then(|()| self.shared.broken().map_or(Ok(()), Err))
    }

    /// Forgets a fault of the configuration, before receiving is tried again.
    pub fn forget_fault(&self) {
        *self.shared.broken.lock().expect("no holder panics") = None;
    }

    /// Reads how much is in the queue, for the metrics, and the queue's visibility timeout, which may have changed.
    pub async fn depth(&self) -> Result<Depth, Fault> {
        let shared = &self.shared;
        let attributes = shared.attributes().await?;
        if !shared.visibility_asked && attributes.visibility_seconds > 0 {
            shared.visibility_seconds.store(attributes.visibility_seconds, Ordering::Relaxed);
        }
        let now = (shared.clock)();
        let oldest = shared.leases.oldest_sent_time();
        let since = {
            let mut waiting = self.waiting_since.lock().expect("no holder panics");
            *waiting = match (oldest, attributes.visible > 0) {
                (None, true) => Some(waiting.unwrap_or(now)),
                _ => None,
            };
            *waiting
        };
        let oldest_age_seconds = oldest.or(since).map_or(0.0, |time| (now - time).max(0) as f64 / 1e6);
        let depth = Depth {
            visible: attributes.visible,
            in_flight: attributes.in_flight,
            delayed: attributes.delayed,
            oldest_age_seconds,
        };
        let queue = &*shared.name;
        for (state, count) in [("visible", depth.visible), ("in_flight", depth.in_flight), ("delayed", depth.delayed)] {
            shared.metrics.depth.with_label_values(&[queue, state]).set(count);
        }
        shared.metrics.oldest.with_label_values(&[queue]).set(oldest_age_seconds);
        Ok(depth)
    }

    /// What is not settled now.
    pub fn pending(&self) -> Pending {
        let (deletes, returns) = self.shared.settling.pending();
        Pending { deletes, returns, held: self.shared.leases.count() }
    }

    /// Waits until all acknowledgements and hand-backs are sent, and says what is not when the deadline comes.
    pub async fn drain(&self, deadline: Instant) -> Pending {
        tokio::select! {
            () = self.shared.settling.emptied() => {}
            () = tokio::time::sleep_until(deadline) => {}
        }
        self.pending()
    }
}

/// Attributes of a queue.
struct Attributes {
    visibility_seconds: u32,
    visible: i64,
    in_flight: i64,
    delayed: i64,
}

impl Shared {
    async fn attributes(&self) -> Result<Attributes, Fault> {
        use QueueAttributeName as Name;
        let names = [
            Name::VisibilityTimeout,
            Name::ApproximateNumberOfMessages,
            Name::ApproximateNumberOfMessagesNotVisible,
            Name::ApproximateNumberOfMessagesDelayed,
        ];
        let send = self.client.get_queue_attributes().queue_url(&self.url).set_attribute_names(Some(names.to_vec()));
        let answer = self.call("GetQueueAttributes", CALL_TIME_MAX, send.send()).await?;
        let number = |name: Name| -> i64 {
            answer.attributes().and_then(|all| all.get(&name)).and_then(|text| text.parse().ok()).unwrap_or(0)
        };
        Ok(Attributes {
            visibility_seconds: u32::try_from(number(Name::VisibilityTimeout)).unwrap_or(0),
            visible: number(Name::ApproximateNumberOfMessages),
            in_flight: number(Name::ApproximateNumberOfMessagesNotVisible),
            delayed: number(Name::ApproximateNumberOfMessagesDelayed),
        })
    }

    /// The attributes, tried a few times.
    async fn first_attributes(&self) -> Result<Attributes, QueueError> {
        let mut tries = 1;
        loop {
            match self.attributes().await {
                Ok(attributes) => return Ok(attributes),
                Err(fault) => {
                    if let Some(error) = QueueError::of(&self.url, "GetQueueAttributes", &fault) {
                        return Err(error);
                    }
                    if tries >= OPEN_TRIES_MAX || !fault.kind.is_transient() {
                        return Err(QueueError::Unreachable { url: self.url.clone(), detail: fault.words() });
                    }
                    tokio::time::sleep(self.times.backoff.wait(tries)).await;
                    tries += 1;
                }
            }
        }
    }
}
