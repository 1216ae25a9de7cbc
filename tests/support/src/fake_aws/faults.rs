//! What goes wrong, where and how often.

use std::time::Duration;

/// A fault that happens to calls.
#[derive(Clone, Debug)]
pub struct Rule {
    /// `GetObject`, `ReceiveMessage`, `AssumeRole` …, or `*`.
    pub operation: &'static str,
    /// Only calls whose `bucket/key` or queue contains this.
    pub about: String,
    pub fault: Fault,
    /// How often it happens.
    pub times: u32,
}

#[derive(Clone, Debug)]
pub enum Fault {
    /// An answer of the service.
    Status { status: u16, code: String, message: String },
    /// No answer for this long, then the right one. Longer than a caller's patience, it is no answer.
    Slow(Duration),
    /// A body that breaks off after so many bytes.
    Truncated(usize),
    /// A body that is short, with a length to match: what a bad proxy does.
    Short(usize),
    /// A body with one wrong bit.
    Flipped,
    /// A body in so many pieces, with a pause before each.
    Dripping { pieces: usize, pause: Duration },
    /// Every second message of a batch fails.
    Entries { code: String, sender_fault: bool },
}

impl Rule {
    /// Fails every call of an operation, until mended.
    pub fn new(operation: &'static str, fault: Fault) -> Self {
        Self { operation, about: String::new(), fault, times: u32::MAX }
    }

    pub fn about(self, about: &str) -> Self {
        Self { about: about.to_string(), ..self }
    }

    pub fn times(self, times: u32) -> Self {
        Self { times, ..self }
    }

    pub(super) fn applies(&self, operation: &str, about: &str) -> bool {
        self.times > 0
            && (self.operation == "*" || self.operation == operation)
            && (self.about.is_empty() || about.contains(&self.about))
    }
}

impl Fault {
    pub fn status(status: u16, code: &str, message: &str) -> Self {
        Self::Status { status, code: code.to_string(), message: message.to_string() }
    }

    /// S3's way to ask for patience.
    pub fn slow_down() -> Self {
        Self::status(503, "SlowDown", "Please reduce your request rate.")
    }

    pub fn denied() -> Self {
        Self::status(403, "AccessDenied", "Access Denied")
    }
}
