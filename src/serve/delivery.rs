//! The right to acknowledge, spread over the objects of a message.
//!
//! A [`Delivery`] stands for one message (or one unit of a backfill). Every object that it announced holds a
//! [`Ticket`]; the delivery ends when the last ticket is gone. A ticket that is dropped without [`Ticket::done`] says
//! that its object is not durable, so whatever goes wrong on the way (an error, a task that is cancelled, a crash) a
//! message is never acknowledged by accident.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// What is told once all objects are through: whether every one of them is durable.
type End = Box<dyn FnOnce(bool) + Send + Sync>;

struct Delivery {
    failed: AtomicBool,
    end: Option<End>,
}

impl Drop for Delivery {
    fn drop(&mut self) {
        if let Some(end) = self.end.take() {
            end(!self.failed.load(Ordering::Acquire));
        }
    }
}

/// One object's part in a delivery.
pub struct Ticket {
    delivery: Arc<Delivery>,
    done: bool,
    /// When the message came, in microseconds.
    pub received_time: i64,
}

impl Ticket {
    /// The first ticket of a delivery; `end` hears how it went when the last one is gone.
    pub fn first(received_time: i64, end: impl FnOnce(bool) + Send + Sync + 'static) -> Self {
        let delivery = Delivery { failed: AtomicBool::new(false), end: Some(Box::new(end)) };
        Self { delivery: Arc::new(delivery), done: false, received_time }
    }

    /// A ticket for one more object of the same delivery.
    pub fn another(&self) -> Self {
        Self { delivery: Arc::clone(&self.delivery), done: false, received_time: self.received_time }
    }

    /// This object is durable, or there is nothing to keep of it.
    pub fn done(mut self) {
        self.done = true;
    }
}

impl Drop for Ticket {
    fn drop(&mut self) {
        if !self.done {
            self.delivery.failed.store(true, Ordering::Release);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::atomic::AtomicU8;

    /// 0: not ended, 1: all durable, 2: not all.
    fn delivery() -> (Ticket, Arc<AtomicU8>) {
        let heard = Arc::new(AtomicU8::new(0));
        let told = Arc::clone(&heard);
        (Ticket::first(0, move |all| told.store(if all { 1 } else { 2 }, Ordering::Release)), heard)
    }

    #[test]
    fn a_delivery_ends_with_its_last_object() {
        let (first, heard) = delivery();
        let second = first.another();
        first.done();
        assert_eq!(heard.load(Ordering::Acquire), 0);
        second.done();
        assert_eq!(heard.load(Ordering::Acquire), 1);
    }

    #[test]
    fn an_object_that_is_dropped_is_not_durable() {
        let (first, heard) = delivery();
        drop(first.another());
        first.done();
        assert_eq!(heard.load(Ordering::Acquire), 2);
    }
}
