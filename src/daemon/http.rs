//! `/healthz`, `/readyz`, `/metrics`.

use std::net::SocketAddr;

use axum::Router;
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use axum::routing::get;
use tokio::net::TcpListener;
use tokio::sync::watch;

use crate::daemon::health::Health;
use crate::telemetry::Metrics;

/// What is asked about.
#[derive(Clone)]
pub(super) struct Served {
    /// Whether the daemon is well.
    pub(super) health: Health,
    /// Its metrics.
    pub(super) metrics: Metrics,
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
        .with_state(served);
    let stopped = async move {
        // A sender that is gone means the same.
        drop(stop.wait_for(|stop| *stop).await);
    };
    axum::serve(listener, routes).with_graceful_shutdown(stopped).await
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

/// A server on a free port, for as long as the process lives: for the fuzz targets.
#[cfg(any(test, feature = "testing"))]
pub(crate) fn on_a_free_port() -> std::io::Result<SocketAddr> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let listener = runtime.block_on(bind(SocketAddr::from(([127, 0, 0, 1], 0))))?;
    let address = listener.local_addr()?;
    std::thread::spawn(move || {
        let (_stop, stopped) = watch::channel(false);
        let served = Served { health: Health::default(), metrics: Metrics::default() };
        runtime.block_on(serve(listener, served, stopped))
    });
    Ok(address)
}
