//! Extends what is held, at half of its time, in batches.

use std::sync::Arc;
use std::time::Duration;

use aws_sdk_sqs::types::ChangeMessageVisibilityBatchRequestEntry as Entry;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::lease::{Extended, Extension};
use super::{BATCH, CALL_TIME_MAX, Shared};

/// How often it is looked for what is due: an eighth of the visibility timeout, within these.
const TICK: std::ops::RangeInclusive<Duration> = Duration::from_millis(50)..=Duration::from_secs(1);
/// Calls at once. At 30 ms a call, this extends 5,000 messages a second.
const CALLS_MAX: usize = 16;
/// A call may take a quarter of the visibility timeout, but at least this.
const CALL_TIME_MIN: Duration = Duration::from_secs(1);

/// Runs until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut calls = JoinSet::new();
    loop {
        tokio::time::sleep((shared.visibility() / 8).clamp(*TICK.start(), *TICK.end())).await;
        while let Some(call) = calls.try_join_next() {
            ended(call);
        }
        for batch in shared.due(Instant::now()).chunks(BATCH) {
            if calls.len() >= CALLS_MAX
                && let Some(call) = calls.join_next().await
            {
                ended(call);
            }
            calls.spawn(extend(Arc::clone(&shared), batch.to_vec()));
        }
    }
}

/// A panic of a call is a panic of the task that made it.
pub(super) fn ended(call: Result<(), tokio::task::JoinError>) {
    if let Err(error) = call {
        std::panic::resume_unwind(error.into_panic());
    }
}

async fn extend(shared: Arc<Shared>, batch: Vec<Extension>) {
    let sent = Instant::now();
    let entries = batch.iter().enumerate().map(|(at, extension)| entry(at, &extension.receipt, extension.seconds));
    let send =
        shared.client.change_message_visibility_batch().queue_url(&shared.url).set_entries(Some(entries.collect()));
    let time_max = (shared.visibility() / 4).clamp(CALL_TIME_MIN, CALL_TIME_MAX);
    let answer = shared.call("ChangeMessageVisibilityBatch", time_max, send.send()).await;
    let soon = shared.times.backoff.wait(1).min(shared.visibility() / 8);
    match answer {
        Ok(answer) => {
            let failed = answer.failed();
            for (at, extension) in batch.iter().enumerate() {
                let ended = match failed.iter().find(|failed| failed.id() == at.to_string()) {
                    None => Extended::Yes,
                    Some(failed) if is_gone(failed.code()) || failed.sender_fault() => Extended::Lost,
                    Some(_) => Extended::NotYet(soon),
                };
                shared.extended(extension, sent, ended);
            }
            if shared.leases.set_failing(false) {
                tracing::info!(queue = %shared.name, "leases are extended again");
            }
        }
        Err(fault) => {
            for extension in &batch {
                shared.extended(extension, sent, Extended::NotYet(soon));
            }
            if shared.leases.set_failing(true) {
                tracing::warn!(queue = %shared.name, "leases cannot be extended: {}", fault.words());
            }
        }
    }
}

/// One message of a batch that changes visibility.
pub(super) fn entry(at: usize, receipt: &str, seconds: u64) -> Entry {
    Entry::builder()
        .id(at.to_string())
        .receipt_handle(receipt)
        .visibility_timeout(i32::try_from(seconds).unwrap_or(i32::MAX))
        .build()
        .expect("all that is required is set")
}

/// Whether a failure says that the receipt handle is worth nothing any more (SQS API reference; LocalStack's word is
/// `InvalidParameterValue`).
pub(super) fn is_gone(code: &str) -> bool {
    let bare = code.strip_prefix("AWS.SimpleQueueService.").unwrap_or(code);
    matches!(bare, "ReceiptHandleIsInvalid" | "MessageNotInflight" | "InvalidParameterValue" | "InvalidIdFormat")
}
