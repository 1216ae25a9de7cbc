//! What the service answers over HTTP: whether it lives, whether it is ready, its metrics, and operators' requests.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::Context;
use axum::extract::{Request, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use axum::{Json, Router};
use prometheus::{Registry, TextEncoder};
use sha2::{Digest, Sha256};
use tokio_util::sync::CancellationToken;
use trailhound_alert::Hidden;

use super::backfill::{Backfill, Backfills, Wanted};
use super::halt::Halt;
use super::metrics::Metrics;

/// A request's body, at most.
const BODY_BYTES_MAX: usize = 64 << 10;
/// The loop that keeps events says that it runs; if it has not for so long, it hangs. Rules that change are evaluated
/// over the whole table in between, which may take minutes.
const BEAT_MAX: Duration = Duration::from_secs(600);

/// What the answers are made of.
pub struct Service {
    pub registry: Registry,
    pub metrics: Arc<Metrics>,
    pub halt: Arc<Halt>,
    /// Set once everything runs; unset when draining begins.
    pub ready: AtomicBool,
    pub beat: Arc<Beat>,
    pub backfills: Arc<Backfills>,
    pub token: Option<Hidden>,
}

impl Service {
    /// Why it is not ready; empty when it is.
    fn not_ready(&self) -> Vec<String> {
        let mut reasons = self.halt.reasons();
        if !self.ready.load(Ordering::Acquire) {
            reasons.push("starting or stopping".into());
        }
        reasons
    }
}

/// The last sign of life of the loop that keeps events.
pub struct Beat(std::sync::Mutex<Instant>);

impl Beat {
    pub fn new() -> Self {
        Self(std::sync::Mutex::new(Instant::now()))
    }

    pub fn alive(&self) {
        *self.0.lock().expect("no holder panics") = Instant::now();
    }

    fn age(&self) -> Duration {
        self.0.lock().expect("no holder panics").elapsed()
    }
}

/// Answers on a listener until cancelled.
pub async fn serve(
    listener: tokio::net::TcpListener,
    service: Arc<Service>,
    cancel: CancellationToken,
) -> anyhow::Result<()> {
    let operators = Router::new()
        .route("/backfills", post(begin_backfill).get(list_backfills))
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&service), authorised))
        .layer(axum::extract::DefaultBodyLimit::max(BODY_BYTES_MAX));
    let router = Router::new()
        .route("/livez", get(livez))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .merge(operators)
        .with_state(service);
    axum::serve(listener, router)
        .with_graceful_shutdown(async move { cancel.cancelled().await })
        .await
        .context("the HTTP server failed")
}

async fn livez(State(service): State<Arc<Service>>) -> Response {
    let age = service.beat.age();
    if age < BEAT_MAX {
        "alive\n".into_response()
    } else {
        let text = format!("no step was made for {} s\n", age.as_secs());
        (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
    }
}

async fn readyz(State(service): State<Arc<Service>>) -> Response {
    let reasons = service.not_ready();
    if reasons.is_empty() {
        "ready\n".into_response()
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, format!("{}\n", reasons.join("\n"))).into_response()
    }
}

async fn metrics(State(service): State<Arc<Service>>) -> Response {
    service.metrics.ready.set(i64::from(service.not_ready().is_empty()));
    service.metrics.halted.set(i64::from(!service.halt.reasons().is_empty()));
    match TextEncoder::new().encode_to_string(&service.registry.gather()) {
        Ok(text) => ([(header::CONTENT_TYPE, prometheus::TEXT_FORMAT)], text).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error}\n")).into_response(),
    }
}

async fn begin_backfill(State(service): State<Arc<Service>>, Json(wanted): Json<Wanted>) -> Response {
    match service.backfills.begin(wanted).await {
        Ok(backfill) => (StatusCode::ACCEPTED, Json(backfill)).into_response(),
        Err(error) => (StatusCode::BAD_REQUEST, format!("{error:#}\n")).into_response(),
    }
}

async fn list_backfills(State(service): State<Arc<Service>>) -> Response {
    match service.backfills.list().await {
        Ok(backfills) => Json::<Vec<Backfill>>(backfills).into_response(),
        Err(error) => (StatusCode::INTERNAL_SERVER_ERROR, format!("{error:#}\n")).into_response(),
    }
}

/// Lets a request through that carries the operators' token. Digests are compared, so that the time it takes tells
/// nothing of the token.
async fn authorised(State(service): State<Arc<Service>>, headers: HeaderMap, request: Request, next: Next) -> Response {
    let Some(token) = &service.token else {
        return (StatusCode::FORBIDDEN, "operators' requests need [http] token in the configuration\n").into_response();
    };
    let given = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
    let given = given.and_then(|value| value.strip_prefix("Bearer ")).unwrap_or("");
    if Sha256::digest(given) == Sha256::digest(token.reveal()) {
        next.run(request).await
    } else {
        (StatusCode::UNAUTHORIZED, "the token is missing or another one\n").into_response()
    }
}
