//! Bugs that a test can put into the engine, to show that the tests of what rules find would notice them.

/// What goes wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fault {
    /// An event at the very start of a window counts for the one before.
    WindowEdge,
    /// What is late is added, but what it changes is not judged again.
    LateEvent,
    /// A copy counts as an event.
    DuplicateCounted,
    /// Days are taken in the order in which they came, so that what was forgotten is not.
    DecayOrder,
    /// What lies far back of an entity does not come back for a late event.
    OlderForgotten,
}

/// Never, in the program.
#[cfg(not(test))]
pub(crate) const fn is(_: Fault) -> bool {
    false
}

#[cfg(test)]
pub(crate) use seeded::{is, seed};

#[cfg(test)]
mod seeded {
    use std::cell::Cell;

    use super::Fault;

    thread_local!(static SEEDED: Cell<Option<Fault>> = const { Cell::new(None) });

    impl Fault {
        /// Those that show however much memory there is.
        pub const ALWAYS: &[Fault] = &[Fault::WindowEdge, Fault::LateEvent, Fault::DuplicateCounted, Fault::DecayOrder];
    }

    /// The engine is wrong on this thread as long as this lives.
    pub struct Seeded;

    impl Drop for Seeded {
        fn drop(&mut self) {
            SEEDED.set(None);
        }
    }

    pub fn seed(fault: Fault) -> Seeded {
        SEEDED.set(Some(fault));
        Seeded
    }

    pub fn is(fault: Fault) -> bool {
        SEEDED.get() == Some(fault)
    }
}
