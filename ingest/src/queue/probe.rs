//! Tries each call of a queue that the service makes, without changing anything: for people who set permissions.

use super::{CALL_TIME_MAX, Queue};
use crate::aws::{Fault, FaultKind};

/// No message has this receipt handle, so that a permitted call is refused for its handle, and a forbidden one as such.
const NO_RECEIPT: &str = "trailhound-doctor";

/// A permission that was tried.
#[derive(Debug)]
pub struct Probed {
    /// Such as `sqs:ReceiveMessage`.
    pub action: &'static str,
    /// Why it does not work.
    pub fault: Option<Fault>,
}

impl Queue {
    /// Tries every permission that the service needs of this queue. A message that is received for it is visible again at
    /// once.
    pub async fn probe(&self) -> Vec<Probed> {
        let (client, url) = (&self.shared.client, &self.shared.url);
        let receive = client.receive_message().queue_url(url).max_number_of_messages(1).visibility_timeout(0);
        let received = self.shared.try_call("ReceiveMessage", CALL_TIME_MAX, receive.wait_time_seconds(0).send()).await;
        let attributes = self.depth().await;
        let extend = client.change_message_visibility().queue_url(url).receipt_handle(NO_RECEIPT).visibility_timeout(0);
        let extended = self.shared.try_call("ChangeMessageVisibility", CALL_TIME_MAX, extend.send()).await;
        let delete = client.delete_message().queue_url(url).receipt_handle(NO_RECEIPT);
        let deleted = self.shared.try_call("DeleteMessage", CALL_TIME_MAX, delete.send()).await;
        vec![
            Probed { action: "sqs:GetQueueAttributes", fault: attributes.err() },
            Probed { action: "sqs:ReceiveMessage", fault: received.err() },
            Probed {
                action: "sqs:ChangeMessageVisibility",
                fault: extended.err().filter(|fault| !about_the_handle(fault)),
            },
            Probed { action: "sqs:DeleteMessage", fault: deleted.err().filter(|fault| !about_the_handle(fault)) },
        ]
    }
}

/// The call was permitted; only there is no such message.
fn about_the_handle(fault: &Fault) -> bool {
    matches!(fault.kind, FaultKind::Refused) || fault.code.contains("ReceiptHandle")
}
