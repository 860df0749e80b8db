//! `/healthz`, `/readyz`, `/metrics`, and with a token `/rules/plan` and `/rules/reload`.
//!
//! A page of a browser can ask for nothing here that changes anything: it does not know the token.

use std::net::SocketAddr;
use std::sync::Arc;

use axum::Router;
use axum::extract::{ConnectInfo, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::{get, post};
use sha2::{Digest, Sha256};
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::daemon::health::Health;
use crate::daemon::rule_plan::RulePlan;
use crate::daemon::rulebook::{Answer, Rulebook};
use crate::secret::Secret;
use crate::telemetry::Metrics;

/// What is asked about.
#[derive(Clone)]
pub(super) struct Served {
    /// Whether the daemon is well.
    pub(super) health: Health,
    /// Its metrics.
    pub(super) metrics: Metrics,
    /// Its rules, where they can be changed.
    pub(super) rules: Option<Rulebook>,
    /// What who wants to change them must show.
    pub(super) token: Option<Arc<Secret>>,
}

/// Binds the address, so that a port in use is known before the start.
pub(super) async fn bind(listen: SocketAddr) -> std::io::Result<TcpListener> {
    TcpListener::bind(listen).await
}

/// Answers until `stop`.
pub(super) async fn serve(
    listener: TcpListener,
    served: Served,
    mut stop: watch::Receiver<bool>,
) -> std::io::Result<()> {
    let routes = Router::new()
        .route("/healthz", get(healthz))
        .route("/readyz", get(readyz))
        .route("/metrics", get(metrics))
        .route("/rules/plan", get(plan))
        .route("/rules/reload", post(reload))
        .with_state(served);
    let stopped = async move {
        // A sender that is gone means the same.
        drop(stop.wait_for(|stop| *stop).await);
    };
    axum::serve(listener, routes.into_make_service_with_connect_info::<SocketAddr>())
        .with_graceful_shutdown(stopped)
        .await
}

async fn healthz(State(served): State<Served>) -> impl IntoResponse {
    match served.health.dead() {
        None => (StatusCode::OK, "alive\n".to_owned()),
        Some(reason) => (StatusCode::SERVICE_UNAVAILABLE, format!("{reason}\n")),
    }
}

async fn readyz(State(served): State<Served>) -> impl IntoResponse {
    let reasons = served.health.not_ready();
    let (status, mut lines) = if reasons.is_empty() {
        (StatusCode::OK, vec!["ready".to_owned()])
    } else {
        (StatusCode::SERVICE_UNAVAILABLE, reasons)
    };
    lines.extend(served.health.notes());
    (status, lines.join("\n") + "\n")
}

async fn metrics(State(served): State<Served>) -> impl IntoResponse {
    let form = "application/openmetrics-text; version=1.0.0; charset=utf-8";
    ([(header::CONTENT_TYPE, form)], served.metrics.encode())
}

/// What a reload would change, as JSON.
async fn plan(State(served): State<Served>, headers: HeaderMap) -> (StatusCode, String) {
    let rules = match allowed(&served, &headers) {
        Ok(rules) => rules,
        Err(refused) => return refused,
    };
    match tokio::task::spawn_blocking(move || rules.plan()).await {
        Ok(Ok(plan)) => (StatusCode::OK, to_json(&plan)),
        Ok(Err(reason)) => (StatusCode::UNPROCESSABLE_ENTITY, reason + "\n"),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "reading the rules panicked\n".to_owned()),
    }
}

/// Reads the rules again, and tells what that changed.
async fn reload(
    State(served): State<Served>,
    ConnectInfo(from): ConnectInfo<SocketAddr>,
    headers: HeaderMap,
) -> (StatusCode, String) {
    let rules = match allowed(&served, &headers) {
        Ok(rules) => rules,
        Err(refused) => return refused,
    };
    match tokio::task::spawn_blocking(move || rules.reload(&format!("POST from {}", from.ip()))).await {
        Ok(Answer::Changed(plan) | Answer::Unchanged(plan)) => (StatusCode::OK, to_json(&plan)),
        Ok(Answer::Refused(reason)) => (StatusCode::UNPROCESSABLE_ENTITY, reason + "\n"),
        Err(_) => (StatusCode::INTERNAL_SERVER_ERROR, "reading the rules panicked; the old ones run\n".to_owned()),
    }
}

fn to_json(plan: &RulePlan) -> String {
    serde_json::to_string_pretty(plan).expect("a plan is plain data") + "\n"
}

/// The rules, for who shows the token.
fn allowed(served: &Served, headers: &HeaderMap) -> Result<Rulebook, (StatusCode, String)> {
    let refuse = |status, why: &str| Err((status, format!("{why}\n")));
    let Some(rules) = &served.rules else {
        return refuse(StatusCode::NOT_FOUND, "over files the rules are read at the start");
    };
    let Some(token) = &served.token else {
        return refuse(StatusCode::FORBIDDEN, "no token is configured: write `token` under [http], or send SIGHUP");
    };
    let shown = headers.get(header::AUTHORIZATION).and_then(|value| value.as_bytes().strip_prefix(b"Bearer "));
    if shown.is_some_and(|shown| is_same(shown, token.expose().as_bytes())) {
        return Ok(rules.clone());
    }
    refuse(StatusCode::UNAUTHORIZED, "show the token of the configuration: Authorization: Bearer ...")
}

/// By their hashes: how long it takes tells nothing of the token.
fn is_same(shown: &[u8], token: &[u8]) -> bool {
    Sha256::digest(shown) == Sha256::digest(token)
}

/// A server on a free port, for as long as the process lives: for the fuzz targets.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn on_a_free_port() -> std::io::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(bind(SocketAddr::from(([127, 0, 0, 1], 0))))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let (_stop, stopped) = watch::channel(false);
        let served = Served { health: Health::default(), metrics: Metrics::default(), rules: None, token: None };
        runtime.block_on(serve(listener, served, stopped))
    });
    Ok(address)
}
