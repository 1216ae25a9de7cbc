//! The right to a message, and the table of those that are held.

use std::collections::HashMap;
use std::fmt;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::time::Instant;

use super::Shared;
use super::settler::{Action, Item};

/// A message stays invisible to others while its lease lives. It ends in one of three ways: acknowledged, the message
/// is deleted; handed back, it is visible again at once; dropped, it comes back by itself when its time is over.
pub struct Lease {
    shared: Arc<Shared>,
    id: u64,
}

impl Lease {
    pub(super) fn new(shared: &Arc<Shared>, receipt: String, message_id: &str, sent_time: Option<i64>) -> Self {
        let (now, visibility) = (Instant::now(), shared.visibility());
        let held = Held {
            receipt,
            message_id: message_id.into(),
            sent_time,
            received: now,
            due: now + visibility / 2,
            extending: false,
            lost: false,
            return_in: None,
        };
        let mut table = shared.leases.table();
        let id = table.next;
        table.next += 1;
        table.held.insert(id, held);
        shared.count_leases(&table);
        drop(table);
        Self { shared: Arc::clone(shared), id }
    }

    /// Everything that the message announced is durable: it is deleted, in a batch with others.
    pub fn acknowledge(self) {
        if let Some(held) = self.end() {
            self.shared.settling.push(Action::Delete, Item::new(held.receipt, held.message_id, 0));
        }
    }

    /// The message was not begun: others may have it, at once.
    pub fn hand_back(self) {
        self.hand_back_in(Duration::ZERO);
    }

    /// The message did not succeed: it comes again, but not before a while (whole seconds, at most twelve hours).
    pub fn hand_back_in(self, delay: Duration) {
        let seconds = delay.min(self.shared.times.lease_max).as_secs();
        let mut table = self.shared.leases.table();
        if let Some(held) = table.held.get_mut(&self.id).filter(|held| held.extending) {
            // An extension is on its way: told after it, or it might be the last word.
            held.return_in = Some(seconds);
            self.shared.settling.promise(Action::Return);
            return;
        }
        drop(table);
        if let Some(held) = self.end() {
            self.shared.settling.push(Action::Return, Item::new(held.receipt, held.message_id, seconds));
        }
    }

    /// Whether somebody else may have the message by now: an extension was refused, or twelve hours are over. What was
    /// begun should be finished all the same: it is recognised when it comes again.
    pub fn is_lost(&self) -> bool {
        self.shared.leases.table().held.get(&self.id).is_none_or(|held| held.lost)
    }

    fn end(&self) -> Option<Held> {
        let mut table = self.shared.leases.table();
        let held = table.held.remove(&self.id);
        self.shared.count_leases(&table);
        held
    }
}

impl Drop for Lease {
    fn drop(&mut self) {
        let mut table = self.shared.leases.table();
        // What is to be handed back after its extension stays until that is done.
        if table.held.get(&self.id).is_some_and(|held| held.return_in.is_none()) {
            table.held.remove(&self.id);
            self.shared.count_leases(&table);
        }
    }
}

impl fmt::Debug for Lease {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Lease").field("queue", &self.shared.name).field("id", &self.id).finish()
    }
}

/// A message that is held.
#[derive(Debug)]
struct Held {
    receipt: String,
    message_id: Arc<str>,
    sent_time: Option<i64>,
    received: Instant,
    /// When it is to be extended.
    due: Instant,
    /// An extension is on its way.
    extending: bool,
    lost: bool,
    /// Handed back while an extension was on its way: seconds until it may be seen.
    return_in: Option<u64>,
}

#[derive(Debug, Default)]
pub(super) struct Table {
    next: u64,
    held: HashMap<u64, Held>,
}

/// All leases of a queue. What bounds their number is the room for messages: a lease is made with a message.
#[derive(Debug, Default)]
pub(super) struct Leases {
    table: Mutex<Table>,
    /// Whether extending fails at the moment, told once.
    pub failing: AtomicBool,
}

/// An extension that is due.
#[derive(Clone, Debug)]
pub(super) struct Extension {
    pub id: u64,
    pub receipt: String,
    pub seconds: u64,
}

/// How an extension ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Extended {
    Yes,
    /// To be tried again after a while.
    NotYet(Duration),
    /// The message is no longer ours.
    Lost,
}

impl Leases {
    fn table(&self) -> MutexGuard<'_, Table> {
        self.table.lock().expect("no holder panics")
    }

    pub fn count(&self) -> usize {
        self.table().held.values().filter(|held| held.return_in.is_none()).count()
    }

    /// When the oldest message that is held was put on the queue.
    pub fn oldest_sent_time(&self) -> Option<i64> {
        self.table().held.values().filter_map(|held| held.sent_time).min()
    }

    /// Sets whether extending fails, and tells whether that is news.
    pub fn set_failing(&self, failing: bool) -> bool {
        self.failing.swap(failing, Ordering::Relaxed) != failing
    }
}

impl Shared {
    fn count_leases(&self, table: &Table) {
        self.metrics.leases.with_label_values(&[&self.name]).set(table.held.len() as i64);
    }

    fn lost(&self, held: &mut Held, result: &str, why: &str) {
        held.lost = true;
        self.metrics.extensions.with_label_values(&[&*self.name, result]).inc();
        tracing::warn!(queue = %self.name, message = %held.message_id, "a lease was lost, {why}; the message may come again");
    }

    /// What is to be extended now, marked as being extended. What has been held as long as SQS allows is lost.
    pub(super) fn due(&self, now: Instant) -> Vec<Extension> {
        let visibility = self.visibility();
        let mut due = Vec::new();
        for (&id, held) in &mut self.leases.table().held {
            if held.lost || held.extending || held.due > now {
                continue;
            }
            let left = self.times.lease_max.saturating_sub(now - held.received).as_secs();
            if left == 0 {
                self.lost(held, "expired", "since SQS lets no message be held for longer");
                continue;
            }
            held.extending = true;
            due.push(Extension { id, receipt: held.receipt.clone(), seconds: visibility.as_secs().min(left) });
        }
        due
    }

    /// Notes how an extension that was sent at `sent` ended.
    pub(super) fn extended(&self, extension: &Extension, sent: Instant, ended: Extended) {
        let mut table = self.leases.table();
        // Settled meanwhile.
        let Some(held) = table.held.get_mut(&extension.id) else { return };
        held.extending = false;
        match ended {
            Extended::Yes => {
                held.due = sent + Duration::from_secs(extension.seconds) / 2;
                self.metrics.extensions.with_label_values(&[&*self.name, "ok"]).inc();
            }
            Extended::NotYet(wait) => {
                held.due = Instant::now() + wait;
                self.metrics.extensions.with_label_values(&[&*self.name, "failed"]).inc();
            }
            Extended::Lost => self.lost(held, "lost", "since its time was over before it was extended"),
        }
        if let Some(seconds) = held.return_in {
            let held = table.held.remove(&extension.id).expect("it was there a moment ago");
            self.count_leases(&table);
            drop(table);
            self.settling.push_promised(Action::Return, Item::new(held.receipt, held.message_id, seconds));
        }
    }
}
