//! Objects between their announcement and their commit, by the identity that was announced.
//!
//! A queue delivers at least once, and a trail may announce by more than one way. An object that is on its way is not
//! fetched for a further announcement: that one's ticket ends as the first one's does. Announcements that do not tell
//! which content they mean are not joined, because what is being fetched may be older than what they announce.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::{Arc, Mutex};

use trailhound_ingest::ObjectId;

use super::delivery::Ticket;

/// The objects that are on their way, and further deliveries that the keeper has to count.
#[derive(Default)]
pub struct Underway {
    tickets: Mutex<HashMap<ObjectId, Vec<Ticket>>>,
    repeated: Mutex<HashMap<ObjectId, u64>>,
}

impl Underway {
    /// The ticket to go on with; `None` when the object is on its way already.
    pub fn join(self: &Arc<Self>, id: ObjectId, ticket: Ticket) -> Option<Ticket> {
        let received_time = ticket.received_time;
        match self.tickets.lock().expect("no holder panics").entry(id.clone()) {
            Entry::Occupied(mut waiting) => {
                waiting.get_mut().push(ticket);
                return None;
            }
            Entry::Vacant(place) => place.insert(vec![ticket]),
        };
        let underway = Arc::clone(self);
        Some(Ticket::first(received_time, move |durable| underway.end(id, durable)))
    }

    /// All that waited for an object hears how it went.
    fn end(&self, id: ObjectId, durable: bool) {
        let tickets = self.tickets.lock().expect("no holder panics").remove(&id).unwrap_or_default();
        if !durable {
            return;
        }
        if tickets.len() > 1 {
            self.repeated(id, tickets.len() as u64 - 1);
        }
        for ticket in tickets {
            ticket.done();
        }
    }

    /// Further deliveries of an object that is durable.
    pub fn repeated(&self, id: ObjectId, times: u64) {
        *self.repeated.lock().expect("no holder panics").entry(id).or_default() += times;
    }

    /// The further deliveries since this was last asked.
    pub fn take_repeated(&self) -> HashMap<ObjectId, u64> {
        std::mem::take(&mut *self.repeated.lock().expect("no holder panics"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::{AtomicU64, Ordering};

    fn id() -> ObjectId {
        ObjectId { bucket: "trail".into(), key: "key".into(), identity: "etag:1".into() }
    }

    /// A ticket that adds 1 to the first number when it ends well and to the second when it does not.
    fn ticket(ends: &Arc<[AtomicU64; 2]>) -> Ticket {
        let ends = Arc::clone(ends);
        Ticket::first(0, move |durable| {
            ends[usize::from(!durable)].fetch_add(1, Ordering::Relaxed);
        })
    }

    fn ends(ends: &Arc<[AtomicU64; 2]>) -> [u64; 2] {
        [ends[0].load(Ordering::Relaxed), ends[1].load(Ordering::Relaxed)]
    }

    #[test]
    fn further_announcements_end_as_the_first_one_does_and_are_counted() {
        let (underway, heard) = (Arc::new(Underway::default()), Arc::default());
        let first = underway.join(id(), ticket(&heard)).expect("nothing is on its way");
        assert!(underway.join(id(), ticket(&heard)).is_none());
        assert!(underway.join(id(), ticket(&heard)).is_none());
        assert_eq!(ends(&heard), [0, 0], "nobody has heard before the commit");
        first.done();
        assert_eq!(ends(&heard), [3, 0]);
        assert_eq!(underway.take_repeated(), HashMap::from([(id(), 2)]));
        assert!(underway.take_repeated().is_empty());
    }

    #[test]
    fn one_that_fails_fails_for_all_and_may_be_fetched_again() {
        let (underway, heard) = (Arc::new(Underway::default()), Arc::default());
        let first = underway.join(id(), ticket(&heard)).expect("nothing is on its way");
        assert!(underway.join(id(), ticket(&heard)).is_none());
        drop(first);
        assert_eq!(ends(&heard), [0, 2]);
        assert!(underway.take_repeated().is_empty(), "what comes again is not counted twice");
        assert!(underway.join(id(), ticket(&heard)).is_some());
    }
}
