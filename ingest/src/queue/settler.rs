//! Sends what leases were settled with: deletions and hand-backs, in batches, each tried a few times.

use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use aws_sdk_sqs::types::{BatchResultErrorEntry, DeleteMessageBatchRequestEntry};
use tokio::sync::Notify;
use tokio::task::JoinSet;
use tokio::time::Instant;

use super::keeper::{ended, entry, is_gone};
use super::{BATCH, CALL_TIME_MAX, Shared};

/// How long a deletion or a hand-back waits for others to make a batch with.
const DELETE_DELAY: Duration = Duration::from_millis(100);
const RETURN_DELAY: Duration = Duration::from_millis(50);
/// Calls at once. At 30 ms a call, this could delete 20,000 messages a second; a busy machine makes calls slower.
const CALLS_MAX: usize = 64;
/// Tries of one message. With the waits between them this is about a minute; after that the message comes again, and
/// is acknowledged again.
const TRIES_MAX: u32 = 10;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Action {
    Delete,
    Return,
}

/// A message to be settled.
#[derive(Debug)]
pub(super) struct Item {
    receipt: String,
    message_id: Arc<str>,
    /// Until it may be seen again, when it is handed back.
    seconds: u64,
    tries: u32,
    since: Instant,
}

impl Item {
    pub fn new(receipt: String, message_id: Arc<str>, seconds: u64) -> Self {
        Self { receipt, message_id, seconds, tries: 0, since: Instant::now() }
    }
}

/// Items of one action.
#[derive(Debug, Default)]
struct Line {
    ready: VecDeque<Item>,
    /// To be tried again, by when; the number keeps apart what is due at one instant.
    later: BTreeMap<(Instant, u64), Item>,
    /// Settled and neither done nor given up.
    pending: usize,
}

#[derive(Debug, Default)]
struct State {
    deletes: Line,
    returns: Line,
    sequence: u64,
    /// Somebody waits for all to be sent: no waiting for batches to fill.
    eager: bool,
}

impl State {
    fn line(&mut self, action: Action) -> &mut Line {
        match action {
            Action::Delete => &mut self.deletes,
            Action::Return => &mut self.returns,
        }
    }
}

/// What is to be sent. Bounded by the number of leases there were: each is settled once.
#[derive(Debug, Default)]
pub(super) struct Settling {
    state: Mutex<State>,
    wake: Notify,
    done: Notify,
    told: AtomicBool,
}

/// What the settler does next.
enum Next {
    Send(Action, Vec<Item>),
    Wait(Option<Instant>),
}

impl Settling {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no holder panics")
    }

    pub fn push(&self, action: Action, item: Item) {
        self.promise(action);
        self.push_promised(action, item);
    }

    /// An item will come, and counts as pending from now on.
    pub fn promise(&self, action: Action) {
        self.state().line(action).pending += 1;
    }

    pub fn push_promised(&self, action: Action, item: Item) {
        self.state().line(action).ready.push_back(item);
        self.wake.notify_one();
    }

    /// Deletions and hand-backs that are not done.
    pub fn pending(&self) -> (usize, usize) {
        let state = self.state();
        (state.deletes.pending, state.returns.pending)
    }

    /// Waits until nothing is pending.
    pub async fn emptied(&self) {
        loop {
            let done = self.done.notified();
            {
                let mut state = self.state();
                state.eager = state.deletes.pending + state.returns.pending > 0;
                if !state.eager {
                    return;
                }
            }
            self.wake.notify_one();
            done.await;
        }
    }

    fn next(&self, now: Instant) -> Next {
        let mut state = self.state();
        let eager = state.eager;
        let mut wake: Option<Instant> = None;
        // Hand-backs first: others wait for those messages.
        for (action, delay) in [(Action::Return, RETURN_DELAY), (Action::Delete, DELETE_DELAY)] {
            let line = state.line(action);
            while let Some(entry) = line.later.first_entry().filter(|entry| entry.key().0 <= now) {
                line.ready.push_back(entry.remove());
            }
            if let Some(first) = line.ready.front() {
                let full = line.ready.len() >= BATCH;
                if full || eager || first.since + delay <= now {
                    let count = line.ready.len().min(BATCH);
                    return Next::Send(action, line.ready.drain(..count).collect());
                }
            }
            let times = [line.ready.front().map(|item| item.since + delay), line.later.keys().next().map(|key| key.0)];
            wake = times.into_iter().flatten().chain(wake).min();
        }
        Next::Wait(wake)
    }

    /// An item is done, or given up.
    fn finish(&self, action: Action) {
        let mut state = self.state();
        state.line(action).pending -= 1;
        if state.deletes.pending + state.returns.pending == 0 {
            self.done.notify_waiters();
        }
    }

    fn again(&self, action: Action, item: Item, at: Instant) {
        let mut state = self.state();
        state.sequence += 1;
        let key = (at, state.sequence);
        state.line(action).later.insert(key, item);
    }
}

/// Runs until it is aborted.
pub(super) async fn run(shared: Arc<Shared>) {
    let mut calls = JoinSet::new();
    loop {
        match shared.settling.next(Instant::now()) {
            Next::Send(action, items) => {
                if calls.len() >= CALLS_MAX
                    && let Some(call) = calls.join_next().await
                {
                    ended(call);
                }
                let shared = Arc::clone(&shared);
                calls.spawn(async move {
                    shared.send(action, items).await;
                    shared.settling.wake.notify_one();
                });
            }
            Next::Wait(until) => {
                let wait = async {
                    match until {
                        Some(until) => tokio::time::sleep_until(until).await,
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    () = wait => {}
                    () = shared.settling.wake.notified() => {}
                    Some(call) = calls.join_next() => ended(call),
                }
            }
        }
    }
}

impl Shared {
    async fn send(&self, action: Action, items: Vec<Item>) {
        let failed = match action {
            Action::Delete => self.delete(&items).await,
            Action::Return => self.hand_back(&items).await,
        };
        match failed {
            Ok(failed) => {
                for (at, item) in items.into_iter().enumerate() {
                    match failed.iter().find(|failed| failed.id() == at.to_string()) {
                        None => self.done(action),
                        Some(failed) if is_gone(failed.code()) => self.gone(action, &item),
                        Some(failed) if failed.sender_fault() => self.give_up(action, &item, failed.code()),
                        Some(failed) => self.again(action, item, failed.code()),
                    }
                }
            }
            Err(words) => items.into_iter().for_each(|item| self.again(action, item, &words)),
        }
    }

    async fn delete(&self, items: &[Item]) -> Result<Vec<BatchResultErrorEntry>, String> {
        let entries = items.iter().enumerate().map(|(at, item)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(at.to_string())
                .receipt_handle(&item.receipt)
                .build()
                .expect("all that is required is set")
        });
        let send = self.client.delete_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        let answer = self.call("DeleteMessageBatch", CALL_TIME_MAX, send.send()).await;
        answer.map(|answer| answer.failed).map_err(|fault| fault.words())
    }

    async fn hand_back(&self, items: &[Item]) -> Result<Vec<BatchResultErrorEntry>, String> {
        let entries = items.iter().enumerate().map(|(at, item)| entry(at, &item.receipt, item.seconds));
        let send =
            self.client.change_message_visibility_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        let answer = self.call("ChangeMessageVisibilityBatch", CALL_TIME_MAX, send.send()).await;
        answer.map(|answer| answer.failed).map_err(|fault| fault.words())
    }

    fn done(&self, action: Action) {
        let counter = match action {
            Action::Delete => &self.metrics.deleted,
            Action::Return => &self.metrics.returned,
        };
        counter.with_label_values(&[&*self.name]).inc();
        self.settling.finish(action);
    }

    /// The receipt handle is worth nothing: the lease had ended before.
    fn gone(&self, action: Action, item: &Item) {
        if action == Action::Delete {
            self.metrics.delete_failures.with_label_values(&[&*self.name]).inc();
            if !self.settling.told.swap(true, Ordering::Relaxed) {
                tracing::warn!(
                    queue = %self.name, message = %item.message_id,
                    "a message could not be deleted, since its lease had ended; it will come again and be recognised (told once; trailhound_message_delete_failures_total counts)"
                );
            }
        }
        self.settling.finish(action);
    }

    fn give_up(&self, action: Action, item: &Item, words: &str) {
        let (did, then) = match action {
            Action::Delete => ("deleted", "it will come again and be recognised"),
            Action::Return => ("handed back", "it will come back when its time is over"),
        };
        if action == Action::Delete {
            self.metrics.delete_failures.with_label_values(&[&*self.name]).inc();
        }
        tracing::warn!(queue = %self.name, message = %item.message_id, "a message could not be {did} ({words}); {then}");
        self.settling.finish(action);
    }

    fn again(&self, action: Action, item: Item, words: &str) {
        let tries = item.tries + 1;
        if tries >= TRIES_MAX {
            return self.give_up(action, &item, words);
        }
        tracing::debug!(queue = %self.name, message = %item.message_id, tries, "settling is tried again: {words}");
        let at = Instant::now() + self.times.backoff.wait(tries);
        self.settling.again(action, Item { tries, ..item }, at);
    }
}
