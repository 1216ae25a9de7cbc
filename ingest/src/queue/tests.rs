//! The queue against an SQS that keeps its visibility timeouts for real, which are short here.

use tokio::sync::mpsc::{self, Receiver};
use tokio::task::JoinHandle;

use super::*;
use crate::aws::tests::aws;
use trailhound_testing::fake_aws::{FakeAws, Fault as Trouble, QueueOptions, Rule};

const VISIBILITY: Duration = Duration::from_secs(2);
const PATIENCE: Duration = Duration::from_secs(10);

fn clock() -> i64 {
    jiff::Timestamp::now().as_microsecond()
}

/// A queue that is received from, and the SQS that it is in.
struct Bench {
    fake: FakeAws,
    metrics: Metrics,
    queue: Arc<Queue>,
    messages: Receiver<Message>,
    cancel: CancellationToken,
    receiving: JoinHandle<Result<(), QueueError>>,
}

fn times() -> Times {
    Times {
        poll: Duration::from_secs(2),
        backoff: Backoff { first: Duration::from_millis(20), longest: Duration::from_millis(200) },
        ..Times::default()
    }
}

impl Bench {
    async fn new() -> Self {
        Self::with(QueueOptions { visibility: VISIBILITY, ..QueueOptions::default() }, times(), 100).await
    }

    async fn with(options: QueueOptions, times: Times, room: usize) -> Self {
        let fake = FakeAws::start();
        let url = fake.queue("logs", options);
        let metrics = Metrics::unregistered();
        let config = QueueConfig { polls: 2, ..QueueConfig::new(url) };
        let queue = Queue::open_with(&config, &aws(&fake).await, metrics.clone(), clock, times).await.unwrap();
        let queue = Arc::new(queue);
        let (into, messages) = mpsc::channel(room);
        let cancel = CancellationToken::new();
        let receiving = {
            let (queue, cancel) = (Arc::clone(&queue), cancel.clone());
            tokio::spawn(async move { queue.receive(into, cancel).await })
        };
        Self { fake, metrics, queue, messages, cancel, receiving }
    }

    async fn message(&mut self) -> Message {
        tokio::time::timeout(PATIENCE, self.messages.recv()).await.expect("a message comes").expect("it is received")
    }

    async fn take(&mut self, count: usize) -> Vec<Message> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.message().await);
        }
        taken
    }

    async fn drained(&self) -> Pending {
        self.queue.drain(Instant::now() + PATIENCE).await
    }

    fn extensions(&self, result: &str) -> u64 {
        self.metrics.extensions.with_label_values(&["logs", result]).get()
    }
}

/// Waits until something is so.
async fn until(what: &str, mut is: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is() {
        assert!(began.elapsed() < PATIENCE, "{what}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn received_acknowledged_gone() {
    let mut bench = Bench::new().await;
    for n in 0..25 {
        bench.fake.send("logs", &format!("m{n}"));
    }
    let messages = bench.take(25).await;
    assert_eq!(bench.metrics.leases.with_label_values(&["logs"]).get(), 25);
    let mut bodies: Vec<String> = messages.iter().map(|message| message.body.clone()).collect();
    bodies.sort();
    bodies.dedup();
    assert_eq!(bodies.len(), 25);
    let message = &messages[0];
    assert_eq!((&*message.queue, message.receive_count), ("logs", 1));
    assert!(message.sent_time.unwrap() <= message.received_time && message.received_time <= clock());
    let depth = bench.queue.depth().await.unwrap();
    assert_eq!((depth.visible, depth.in_flight), (0, 25));
    assert!(depth.oldest_age_seconds < 5.0);
    messages.into_iter().for_each(|message| message.lease.acknowledge());
    assert_eq!(bench.drained().await, Pending::default());
    assert_eq!(bench.fake.remaining("logs"), 0);
    assert_eq!(bench.metrics.deleted.with_label_values(&["logs"]).get(), 25);
    assert!(bench.fake.calls("DeleteMessageBatch") <= 4, "batches: {}", bench.fake.calls("DeleteMessageBatch"));
    bench.cancel.cancel();
    bench.receiving.await.unwrap().unwrap();
}

#[tokio::test]
async fn a_lease_lasts_three_timeouts_and_ends_when_dropped() {
    let mut bench = Bench::new().await;
    bench.fake.send("logs", "slow");
    let message = bench.message().await;
    tokio::time::sleep(VISIBILITY * 3 + VISIBILITY / 2).await;
    assert!(bench.messages.try_recv().is_err(), "nobody else got it");
    assert!(bench.extensions("ok") >= 4, "{}", bench.extensions("ok"));
    assert!(!message.lease.is_lost());
    drop(message);
    let again = bench.message().await;
    assert_eq!(again.receive_count, 2, "it came back by itself");
    again.lease.acknowledge();
    assert!(bench.drained().await.is_empty());
    assert_eq!(bench.fake.remaining("logs"), 0);
}

#[tokio::test]
async fn handed_back_is_visible_at_once() {
    let options = QueueOptions { visibility: Duration::from_secs(60), ..QueueOptions::default() };
    let mut bench = Bench::with(options, times(), 100).await;
    bench.fake.send("logs", "m");
    let message = bench.message().await;
    let began = Instant::now();
    message.lease.hand_back();
    let again = bench.message().await;
    assert!(began.elapsed() < Duration::from_millis(500), "{:?}", began.elapsed());
    assert_eq!(again.receive_count, 2);
    again.lease.hand_back_in(Duration::from_secs(1));
    let began = Instant::now();
    let third = bench.message().await;
    assert!(began.elapsed() > Duration::from_millis(900), "not before its time: {:?}", began.elapsed());
    assert_eq!(bench.metrics.returned.with_label_values(&["logs"]).get(), 2);
    drop(third);
}

#[tokio::test]
async fn a_hand_back_waits_for_the_extension_before_it() {
    let mut bench = Bench::new().await;
    bench.fake.send("logs", "m");
    let message = bench.message().await;
    let slow = Trouble::Slow(Duration::from_millis(400));
    bench.fake.fail(Rule::new("ChangeMessageVisibilityBatch", slow).times(1));
    let calls = bench.fake.calls("ChangeMessageVisibilityBatch");
    until("an extension is on its way", || bench.fake.calls("ChangeMessageVisibilityBatch") > calls).await;
    message.lease.hand_back();
    assert_eq!(bench.queue.pending(), Pending { returns: 1, ..Pending::default() });
    let began = Instant::now();
    assert_eq!(bench.message().await.receive_count, 2);
    assert!(began.elapsed() < Duration::from_millis(800), "{:?}", began.elapsed());
}

#[tokio::test]
async fn deletes_that_fail_in_part_are_sent_again() {
    let mut bench = Bench::new().await;
    (0..10).for_each(|n| bench.fake.send("logs", &format!("m{n}")));
    let entries = Trouble::Entries { code: "InternalError".into(), sender_fault: false };
    bench.fake.fail(Rule::new("DeleteMessageBatch", entries).times(2));
    bench.take(10).await.into_iter().for_each(|message| message.lease.acknowledge());
    assert!(bench.drained().await.is_empty());
    assert_eq!(bench.fake.remaining("logs"), 0);
    assert_eq!(bench.metrics.delete_failures.with_label_values(&["logs"]).get(), 0);
    assert!(bench.fake.calls("DeleteMessageBatch") >= 3);
}

#[tokio::test]
async fn a_handle_that_ended_is_counted_and_given_up() {
    let times = Times { lease_max: Duration::from_millis(500), ..times() };
    let mut bench = Bench::with(QueueOptions { visibility: VISIBILITY, ..QueueOptions::default() }, times, 100).await;
    bench.fake.send("logs", "m");
    let message = bench.message().await;
    // Held for longer than SQS lets it be: it is lost, and comes to somebody else.
    let again = bench.message().await;
    assert_eq!(again.receive_count, 2);
    assert!(message.lease.is_lost());
    assert_eq!(bench.extensions("expired"), 1);
    message.lease.acknowledge();
    assert!(bench.drained().await.is_empty() || bench.queue.pending().held == 1);
    assert_eq!(bench.metrics.delete_failures.with_label_values(&["logs"]).get(), 1);
    again.lease.acknowledge();
    assert!(bench.drained().await.is_empty());
    assert_eq!(bench.fake.remaining("logs"), 0);
}

#[tokio::test]
async fn an_extension_that_is_refused_is_a_lost_lease() {
    let mut bench = Bench::new().await;
    (0..2).for_each(|n| bench.fake.send("logs", &format!("m{n}")));
    let messages = bench.take(2).await;
    let refused = Trouble::Entries { code: "ReceiptHandleIsInvalid".into(), sender_fault: true };
    bench.fake.fail(Rule::new("ChangeMessageVisibilityBatch", refused).times(1));
    until("one is lost", || bench.extensions("lost") == 1).await;
    assert_eq!(messages.iter().filter(|message| message.lease.is_lost()).count(), 1);
}

#[tokio::test]
async fn throttling_is_waited_out() {
    let mut bench = Bench::new().await;
    let throttled = Trouble::status(400, "RequestThrottled", "slower");
    for operation in ["ReceiveMessage", "DeleteMessageBatch", "ChangeMessageVisibilityBatch"] {
        bench.fake.fail(Rule::new(operation, throttled.clone()).times(3));
    }
    bench.fake.fail(Rule::new("ReceiveMessage", Trouble::status(500, "InternalError", "")).times(2));
    bench.fake.send("logs", "m");
    let message = bench.message().await;
    tokio::time::sleep(VISIBILITY * 2).await;
    assert!(bench.extensions("failed") >= 1 && bench.extensions("ok") >= 1);
    message.lease.acknowledge();
    assert!(bench.drained().await.is_empty());
    assert_eq!(bench.fake.remaining("logs"), 0);
    assert!(!bench.receiving.is_finished());
}

#[tokio::test]
async fn cancelling_hands_back_what_was_not_handed_on() {
    let options = QueueOptions { visibility: Duration::from_secs(60), ..QueueOptions::default() };
    let mut bench = Bench::with(options, times(), 40).await;
    // The polls that come after the first two answer when intake has stopped.
    until("both wait", || bench.fake.calls("ReceiveMessage") >= 2).await;
    let slow = Trouble::Slow(Duration::from_millis(150));
    bench.fake.fail(Rule::new("ReceiveMessage", slow).times(8));
    (0..30).for_each(|n| bench.fake.send("logs", &format!("m{n}")));
    let first = bench.message().await;
    bench.cancel.cancel();
    let began = Instant::now();
    (&mut bench.receiving).await.unwrap().unwrap();
    assert!(began.elapsed() < Duration::from_secs(1), "at once: {:?}", began.elapsed());
    // What waits in the channel is its reader's to hand back.
    while let Some(message) = bench.messages.recv().await {
        message.lease.hand_back();
    }
    assert_eq!(bench.drained().await, Pending { held: 1, ..Pending::default() });
    assert_eq!(bench.fake.visible("logs"), 29, "all but the one that is worked on");
    first.lease.hand_back();
    assert!(bench.drained().await.is_empty());
    assert_eq!(bench.fake.visible("logs"), 30);
}

#[tokio::test]
async fn receives_only_what_there_is_room_for() {
    let options = QueueOptions { visibility: Duration::from_secs(60), ..QueueOptions::default() };
    let mut bench = Bench::with(options, times(), 10).await;
    (0..100).for_each(|n| bench.fake.send("logs", &format!("m{n}")));
    let first = bench.take(1).await;
    tokio::time::sleep(Duration::from_millis(300)).await;
    assert!(bench.fake.visible("logs") >= 80, "{} visible", bench.fake.visible("logs"));
    let rest = bench.take(99).await;
    assert_eq!(bench.fake.visible("logs"), 0);
    drop((first, rest));
}

#[tokio::test]
async fn a_drain_says_what_is_pending() {
    let mut bench = Bench::new().await;
    (0..3).for_each(|n| bench.fake.send("logs", &format!("m{n}")));
    let mut messages = bench.take(3).await;
    bench.fake.fail(Rule::new("DeleteMessageBatch", Trouble::status(503, "ServiceUnavailable", "")));
    messages.pop().unwrap().lease.acknowledge();
    messages.pop().unwrap().lease.hand_back();
    let pending = bench.queue.drain(Instant::now() + Duration::from_millis(500)).await;
    assert_eq!(pending, Pending { deletes: 1, returns: 0, held: bench.queue.pending().held });
    assert!(pending.held >= 1);
}

#[tokio::test]
async fn a_wrong_configuration_is_told_apart_and_says_what_to_mend() {
    let fake = FakeAws::start();
    let url = fake.queue("logs", QueueOptions::default());
    let aws = aws(&fake).await;
    let open = async |config: QueueConfig| {
        Queue::open_with(&config, &aws, Metrics::unregistered(), clock, times()).await.unwrap_err()
    };
    let missing = open(QueueConfig::new(url.replace("logs", "losg"))).await;
    assert!(matches!(missing, QueueError::NoSuchQueue { .. }), "{missing}");

    fake.fail(Rule::new("GetQueueAttributes", Trouble::status(403, "AccessDenied", "no")).times(1));
    let denied = open(QueueConfig::new(&url)).await;
    assert!(matches!(denied, QueueError::Denied { .. }), "{denied}");
    assert!(denied.to_string().contains("sqs:GetQueueAttributes"), "{denied}");

    let role_arn = Some("arn:aws:iam::111122223333:role/reader".to_string());
    let role = open(QueueConfig { role_arn, ..QueueConfig::new(&url) }).await;
    assert!(matches!(role, QueueError::Credentials { .. }), "{role}");
    assert!(role.is_configuration());

    fake.fail(Rule::new("GetQueueAttributes", Trouble::status(500, "InternalError", "")));
    let unreachable = open(QueueConfig::new(&url)).await;
    assert!(matches!(unreachable, QueueError::Unreachable { .. }) && !unreachable.is_configuration());
    assert_eq!(open(QueueConfig { polls: 0, ..QueueConfig::new(&url) }).await.to_string().matches("polls").count(), 1);
}

#[tokio::test]
async fn receiving_ends_when_it_is_forbidden() {
    let bench = Bench::new().await;
    bench.fake.fail(Rule::new("ReceiveMessage", Trouble::status(403, "AccessDenied", "no sqs:ReceiveMessage")));
    let error = bench.receiving.await.unwrap().unwrap_err();
    assert!(error.to_string().contains("sqs:ReceiveMessage"), "{error}");
    // Mended: the same queue can be received from again.
    bench.fake.mend();
    bench.queue.forget_fault();
    let (into, mut messages) = mpsc::channel(20);
    let queue = Arc::clone(&bench.queue);
    let receiving = tokio::spawn(async move { queue.receive(into, CancellationToken::new()).await });
    bench.fake.send("logs", "m");
    assert_eq!(messages.recv().await.unwrap().body, "m");
    // So does a permission that only settling needs.
    bench.fake.fail(Rule::new("DeleteMessageBatch", Trouble::status(403, "AccessDenied", "no")));
    bench.fake.send("logs", "n");
    messages.recv().await.unwrap().lease.acknowledge();
    let error = tokio::time::timeout(PATIENCE, receiving).await.unwrap().unwrap().unwrap_err();
    assert!(error.to_string().contains("sqs:DeleteMessage "), "{error}");
}

#[tokio::test]
async fn a_queue_without_a_timeout_is_asked_for_one() {
    let options = QueueOptions { visibility: Duration::ZERO, ..QueueOptions::default() };
    let mut bench = Bench::with(options, times(), 100).await;
    bench.fake.send("logs", "m");
    let message = bench.message().await;
    tokio::time::sleep(Duration::from_millis(200)).await;
    assert!(bench.messages.try_recv().is_err(), "it comes once");
    message.lease.acknowledge();
    assert!(bench.drained().await.is_empty());
}

#[tokio::test]
async fn every_copy_of_a_message_is_deleted() {
    let options = QueueOptions { visibility: VISIBILITY, copies: 3, reorder: true };
    let mut bench = Bench::with(options, times(), 100).await;
    (0..20).for_each(|n| bench.fake.send("logs", &format!("m{n}")));
    let messages = bench.take(60).await;
    let mut ids: Vec<String> = messages.iter().map(|message| message.id.clone()).collect();
    ids.sort();
    ids.dedup();
    assert_eq!(ids.len(), 20, "copies have one id");
    messages.into_iter().for_each(|message| message.lease.acknowledge());
    assert!(bench.drained().await.is_empty());
    assert_eq!(bench.fake.remaining("logs"), 0);
}
