//! When intake has to stand still, and why.
//!
//! An error of configuration (no access, a key that may not be used, a full disk) hits every message alike. To go on
//! would burn the backlog: each message would be received again and again until its queue gives it up. So whoever meets
//! such an error halts intake with one line, keeps what it holds and tries again from time to time; the first success
//! lifts the halt.

use std::collections::BTreeMap;
use std::sync::Mutex;

use tokio::sync::watch;

/// Why intake stands still: one reason for each place that said so.
pub struct Halt {
    reasons: Mutex<BTreeMap<String, String>>,
    halted: watch::Sender<bool>,
}

impl Halt {
    pub fn new() -> Self {
        Self { reasons: Mutex::default(), halted: watch::Sender::new(false) }
    }

    /// Intake stands still because of `place` until [`Halt::lift`]. Told in the log when it is new.
    pub fn set(&self, place: &str, reason: String) {
        let mut reasons = self.reasons.lock().expect("no holder panics");
        if reasons.insert(place.to_string(), reason.clone()).is_none() {
            tracing::error!(place, "intake stands still until this is mended: {reason}");
        }
        self.halted.send_replace(true);
    }

    /// `place` works again.
    pub fn lift(&self, place: &str) {
        let mut reasons = self.reasons.lock().expect("no holder panics");
        if reasons.remove(place).is_some() {
            tracing::warn!(place, "works again, intake goes on");
        }
        self.halted.send_replace(!reasons.is_empty());
    }

    /// Why intake stands still, if it does.
    pub fn reasons(&self) -> Vec<String> {
        let reasons = self.reasons.lock().expect("no holder panics");
        reasons.iter().map(|(place, reason)| format!("{place}: {reason}")).collect()
    }

    /// Returns when intake may go on.
    pub async fn lifted(&self) {
        let mut halted = self.halted.subscribe();
        // The sender lives in `self`, so it cannot be gone.
        let _ = halted.wait_for(|halted| !halted).await;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn all_reasons_must_go() {
        let halt = Halt::new();
        halt.lifted().await;
        halt.set("bucket a", "access denied".into());
        halt.set("store", "disk full".into());
        halt.lift("bucket a");
        assert_eq!(halt.reasons(), ["store: disk full"]);
        assert!(tokio::time::timeout(std::time::Duration::from_millis(10), halt.lifted()).await.is_err());
        halt.lift("store");
        halt.lifted().await;
    }
}
