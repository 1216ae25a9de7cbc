//! One long poll after the other, each only while there is room for what it may bring.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::MessageSystemAttributeName as Name;
use tokio::sync::mpsc::Sender;
use tokio_util::sync::CancellationToken;

use super::{BATCH, Lease, Message, QueueError, Shared};
use crate::aws::Fault;

/// An answer may be this much later than the wait that was asked for.
const ANSWER_TIME_MAX: Duration = Duration::from_secs(10);
/// A poll that is under way when intake stops may still bring messages: they are waited for this long, to hand them
/// back, instead of leaving them invisible until their time is over.
const CANCEL_GRACE: Duration = Duration::from_millis(200);

/// Polls until `stop`, until nobody takes messages any more, or until a fault of the configuration, which is noted.
pub(super) async fn run(shared: Arc<Shared>, into: Sender<Message>, stop: CancellationToken) {
    let room = BATCH.min(into.max_capacity());
    let mut failures = 0;
    loop {
        let permits = tokio::select! {
            biased;
            () = stop.cancelled() => return,
            permits = into.reserve_many(room) => permits,
        };
        let Ok(permits) = permits else { return };
        let Some(answer) = poll(&shared, room, &stop).await else { return };
        let fault = match answer {
            Ok(messages) => {
                if failures > 0 {
                    tracing::info!(queue = %shared.name, "messages are received again");
                }
                failures = 0;
                shared.metrics.received.with_label_values(&[&*shared.name]).inc_by(messages.len() as u64);
                let mut permits = permits.into_iter();
                for message in messages {
                    match permits.next().filter(|_| !stop.is_cancelled()) {
                        Some(permit) => permit.send(message),
                        None => message.lease.hand_back(),
                    }
                }
                continue;
            }
            Err(fault) => fault,
        };
        drop(permits);
        if QueueError::of(&shared.url, "ReceiveMessage", &fault).is_some() {
            return;
        }
        failures += 1;
        let wait = shared.times.backoff.wait(failures);
        if failures == 1 {
            tracing::warn!(queue = %shared.name, "messages cannot be received, trying on: {}", fault.words());
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(wait) => {}
        }
    }
}

/// One poll; `None` when intake stops before it is answered.
async fn poll(shared: &Arc<Shared>, room: usize, stop: &CancellationToken) -> Option<Result<Vec<Message>, Fault>> {
    let wait = shared.times.poll;
    let asked = shared.visibility_asked.then(|| i32::try_from(shared.visibility().as_secs()).unwrap_or(i32::MAX));
    let send = shared
        .client
        .receive_message()
        .queue_url(&shared.url)
        .max_number_of_messages(i32::try_from(room).unwrap_or(1))
        .wait_time_seconds(i32::try_from(wait.as_secs()).unwrap_or(0))
        .set_visibility_timeout(asked)
        .message_system_attribute_names(Name::SentTimestamp)
        .message_system_attribute_names(Name::ApproximateReceiveCount);
    let call = shared.call("ReceiveMessage", wait + ANSWER_TIME_MAX, send.send());
    tokio::pin!(call);
    let answer = tokio::select! {
        answer = &mut call => answer,
        () = stop.cancelled() => tokio::time::timeout(CANCEL_GRACE, &mut call).await.ok()?,
    };
    Some(
        answer
            .map(|answer| answer.messages.unwrap_or_default().into_iter().filter_map(|m| message(shared, m)).collect()),
    )
}

/// A message with its lease, which begins now.
fn message(shared: &Arc<Shared>, message: aws_sdk_sqs::types::Message) -> Option<Message> {
    let number =
        |name: Name| message.attributes().and_then(|all| all.get(&name)).and_then(|text| text.parse::<i64>().ok());
    let sent_time = number(Name::SentTimestamp).and_then(|millis| millis.checked_mul(1000));
    let receive_count = number(Name::ApproximateReceiveCount).and_then(|count| u32::try_from(count).ok()).unwrap_or(1);
    let id = message.message_id.unwrap_or_default();
    let lease = Lease::new(shared, message.receipt_handle?, &id, sent_time);
    Some(Message {
        id,
        body: message.body.unwrap_or_default(),
        sent_time,
        received_time: (shared.clock)(),
        receive_count,
        queue: Arc::clone(&shared.name),
        lease,
    })
}
