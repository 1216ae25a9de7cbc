//! Messages of the queues: what each announces is fetched; what announces nothing is acknowledged; what nobody
//! understands is parked, and acknowledged once that is durable.

use std::sync::Arc;

use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;
use trailhound_ingest::notification::{self, Announced, Notification};
use trailhound_ingest::queue::Message;
use trailhound_store::ParkedMessage;

use super::delivery::Ticket;
use super::fetch::Fetcher;
use super::keeper::Work;
use super::metrics::Metrics;
use super::watch::ClockSkew;

/// Messages that are taken at once, so that what they announce is looked up in the ledger together.
const MESSAGES_AT_ONCE: usize = 100;

pub struct Messages {
    pub fetcher: Arc<Fetcher>,
    pub work: mpsc::Sender<Work>,
    pub metrics: Arc<Metrics>,
    /// What the queue side counts.
    pub received: trailhound_ingest::Metrics,
    pub clock_skew: Arc<ClockSkew>,
}

impl Messages {
    /// Takes messages until cancelled; those that were not begun by then are handed back at once.
    pub async fn run(self, mut messages: mpsc::Receiver<Message>, cancel: CancellationToken) {
        let mut taken = Vec::with_capacity(MESSAGES_AT_ONCE);
        loop {
            tokio::select! {
                biased;
                () = cancel.cancelled() => break,
                count = messages.recv_many(&mut taken, MESSAGES_AT_ONCE) => if count == 0 { return },
            }
            let mut announced = Vec::with_capacity(taken.len());
            for message in taken.drain(..) {
                self.take(message, &cancel, &mut announced).await;
            }
            self.fetcher.fetch(announced, &cancel).await;
        }
        messages.close();
        while let Some(message) = messages.recv().await {
            message.lease.hand_back();
        }
    }

    /// What a message announces is added to `announced`, each object with its ticket.
    async fn take(&self, message: Message, cancel: &CancellationToken, announced: &mut Vec<(Announced, Ticket)>) {
        let (objects, unknown) = match notification::read(&message.body) {
            Ok(Notification::Nothing { reason }) => {
                tracing::debug!(message = message.id, reason, "nothing to read");
                return message.lease.acknowledge();
            }
            Ok(Notification::Objects(objects)) => (objects, None),
            Ok(Notification::Partly { objects, unknown }) => (objects, Some(unknown)),
            Err(unknown) => (Vec::new(), Some(unknown)),
        };
        let Message { id, body, sent_time, received_time, queue, lease, .. } = message;
        if let Some(sent_time) = sent_time {
            self.clock_skew.seen(sent_time, received_time);
        }
        // Not all durable: the lease is dropped and the message comes again; when we are stopping, at once.
        let stopping = cancel.clone();
        let first = Ticket::first(received_time, move |all| match (all, stopping.is_cancelled()) {
            (true, _) => lease.acknowledge(),
            (false, true) => lease.hand_back(),
            (false, false) => drop(lease),
        });
        if let Some(unknown) = unknown {
            tracing::warn!(message = id, %queue, "parked, nobody understands it: {unknown}");
            self.received.message_parked(&queue, unknown.reason);
            let message = ParkedMessage {
                queue: queue.to_string(),
                message_id: id,
                sent_time: sent_time.unwrap_or(received_time),
                reason: unknown.reason.to_string(),
                detail: unknown.detail,
                body: notification::scrub(&body),
            };
            // Nobody keeps any more: the ticket is dropped with the work, and the message comes again.
            let _ = self.work.send(Work::Message { message, ticket: first.another() }).await;
        }
        for object in objects {
            self.metrics.received_lag(&object.key, sent_time.unwrap_or(received_time), received_time);
            announced.push((object, first.another()));
        }
        first.done();
    }
}
