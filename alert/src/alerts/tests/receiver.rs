//! An HTTP server on loopback that writes down what it gets and answers as it is told.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, Response, Uri};

/// What came.
#[derive(Debug, Clone)]
pub struct Request {
    pub path: String,
    pub headers: HeaderMap,
    pub body: String,
}

/// What is answered.
#[derive(Debug, Clone)]
pub enum Answer {
    Status(u16, &'static str),
    /// A status with `Retry-After`.
    Later(u16, &'static str),
    /// No answer at all, ever.
    Silence,
}

#[derive(Default)]
struct Inner {
    requests: Vec<Request>,
    answers: VecDeque<Answer>,
}

#[derive(Clone)]
pub struct Receiver {
    pub url: String,
    inner: Arc<Mutex<Inner>>,
    came: Arc<tokio::sync::Notify>,
}

/// What Slack's web API would say; other sinks only look at the status.
const OK: &str = r#"{"ok": true, "channel": "C1", "ts": "1700000000.000100"}"#;

impl Receiver {
    /// Answers 200 until told otherwise.
    pub async fn start() -> Receiver {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let receiver = Receiver { url, inner: Arc::default(), came: Arc::default() };
        let router = Router::new().fallback(take).with_state(receiver.clone());
        tokio::spawn(async move { axum::serve(listener, router).await.unwrap() });
        receiver
    }

    /// Answers these in turn, then 200 again.
    pub fn answer(&self, answers: impl IntoIterator<Item = Answer>) {
        self.inner.lock().unwrap().answers.extend(answers);
    }

    /// What came since this was last called.
    pub fn take(&self) -> Vec<Request> {
        std::mem::take(&mut self.inner.lock().unwrap().requests)
    }

    /// Waits until something came.
    pub async fn wait(&self) {
        self.came.notified().await;
    }
}

async fn take(State(receiver): State<Receiver>, uri: Uri, headers: HeaderMap, body: String) -> Response<Body> {
    let answer = {
        let mut inner = receiver.inner.lock().unwrap();
        inner.requests.push(Request { path: uri.path().to_owned(), headers, body });
        inner.answers.pop_front().unwrap_or(Answer::Status(200, OK))
    };
    receiver.came.notify_one();
    match answer {
        Answer::Status(status, body) => Response::builder().status(status).body(Body::from(body)).unwrap(),
        Answer::Later(status, after) => {
            Response::builder().status(status).header("Retry-After", after).body(Body::empty()).unwrap()
        }
        Answer::Silence => std::future::pending().await,
    }
}
