//! What the service is compared with under load: a program that only receives, gets and deletes, by the same SDK with
//! the same settings, and makes nothing of what it got. Nothing that uses the SDK can do more on the same machine.

use std::collections::HashSet;
use std::sync::{Arc, Mutex};
use std::time::Instant;

use aws_config::retry::RetryConfig;
use aws_config::{BehaviorVersion, Region};
use aws_sdk_s3::config::Credentials;
use aws_sdk_sqs::types::{DeleteMessageBatchRequestEntry, Message};
use serde_json::Value;
use tokio::sync::Semaphore;
use trailhound_testing::fake_aws::FakeAws;

/// As the service under load: see [`super::serve`].
const POLLS: usize = 32;
const FETCHES: usize = 128;

/// Empties the queue, with each object got once; gives the seconds that it took.
pub fn seconds(aws: &FakeAws, queue: &'static str, url: &str, objects: usize) -> f64 {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(async {
        let config = aws_config::defaults(BehaviorVersion::latest())
            .region(Region::new("us-east-1"))
            .credentials_provider(Credentials::new("AKIATEST", "test", None, None, "test"))
            .endpoint_url(aws.endpoint())
            .retry_config(RetryConfig::disabled())
            .load()
            .await;
        let alone = Arc::new(Alone {
            sqs: aws_sdk_sqs::Client::new(&config),
            s3: aws_sdk_s3::Client::from_conf(
                aws_sdk_s3::config::Builder::from(&config).force_path_style(true).build(),
            ),
            url: url.to_string(),
            seen: Mutex::default(),
            fetches: Semaphore::new(FETCHES),
        });
        let begun = Instant::now();
        let polls: Vec<_> = (0..POLLS).map(|_| tokio::spawn(Arc::clone(&alone).poll())).collect();
        while aws.remaining(queue) > 0 {
            tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        }
        let seconds = begun.elapsed().as_secs_f64();
        polls.iter().for_each(|poll| poll.abort());
        assert_eq!(alone.seen.lock().expect("no holder panics").len(), objects, "every object was got");
        seconds
    })
}

struct Alone {
    sqs: aws_sdk_sqs::Client,
    s3: aws_sdk_s3::Client,
    url: String,
    seen: Mutex<HashSet<String>>,
    fetches: Semaphore,
}

impl Alone {
    async fn poll(self: Arc<Self>) {
        loop {
            // What is being worked on is bounded, as in the service.
            let room = self.fetches.acquire().await.expect("nobody closes it");
            drop(room);
            let received = self.sqs.receive_message().queue_url(&self.url).max_number_of_messages(10).send().await;
            let messages = received.expect("messages are received").messages.unwrap_or_default();
            if !messages.is_empty() {
                tokio::spawn(Arc::clone(&self).settle(messages));
            }
        }
    }

    /// Gets what the messages announce, then deletes them.
    async fn settle(self: Arc<Self>, messages: Vec<Message>) {
        futures::future::join_all(messages.iter().map(|message| self.get(message.body().unwrap_or_default()))).await;
        let entries = messages.iter().enumerate().map(|(number, message)| {
            DeleteMessageBatchRequestEntry::builder()
                .id(number.to_string())
                .receipt_handle(message.receipt_handle().unwrap_or_default())
                .build()
                .expect("an entry has both")
        });
        let delete = self.sqs.delete_message_batch().queue_url(&self.url).set_entries(Some(entries.collect()));
        delete.send().await.expect("messages are deleted");
    }

    async fn get(&self, body: &str) {
        let notification: Value = serde_json::from_str(body).expect("a notification");
        let key = notification["Records"][0]["s3"]["object"]["key"].as_str().expect("a key").to_string();
        if !self.seen.lock().expect("no holder panics").insert(key.clone()) {
            return;
        }
        let _room = self.fetches.acquire().await.expect("nobody closes it");
        let object = self.s3.get_object().bucket("trail").key(key).send().await.expect("an object is got");
        object.body.collect().await.expect("an object is read");
    }
}
