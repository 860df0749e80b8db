//! `plan`: what a reload would change in a running daemon.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, anyhow, bail};
use clap::Args;
use http_body_util::{BodyExt, Empty, Limited};
use hyper::body::Bytes;
use hyper::client::conn::http1;
use hyper::{Request, StatusCode};
use hyper_util::rt::TokioIo;

use crate::cli::{Exit, config, output};
use crate::config::Settings;
use crate::daemon::RulePlan;

/// How long the daemon may take: it reads and checks the files.
const TIMEOUT: Duration = Duration::from_mins(1);
const ANSWER_BYTES_MAX: usize = 64 << 20;

/// Tell what a reload of the rules would change in the running daemon
///
/// The daemon reads its rule files as they are now and compares them with the rules that run: which would be added,
/// removed or changed, and how many open runs would go on or be dropped. Nothing is changed. A reload is asked for by
/// SIGHUP, or by POST to /rules/reload with the token of [http].
#[derive(Debug, Args)]
#[command(after_help = "Exit codes: 0 told; 2 the rule files have errors, so a reload would be refused; 3 bad \
                        configuration, or no daemon answers.")]
pub(super) struct Arguments {
    /// The configuration of the running daemon
    #[arg(short, long, value_name = "FILE", default_value = "tripline.toml")]
    config: PathBuf,
    /// Print it as JSON
    #[arg(long)]
    json: bool,
}

/// Asks the daemon.
pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(settings) = config::load(&arguments.config) else { return Ok(Exit::BadInput) };
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let (status, body) = runtime.block_on(async {
        let asked = tokio::time::timeout(TIMEOUT, ask(&settings)).await;
        asked.map_err(|_| anyhow!("no answer within {} s", TIMEOUT.as_secs()))?
    })?;
    match status {
        StatusCode::OK => {}
        StatusCode::UNPROCESSABLE_ENTITY => {
            output::complain(format_args!("{}", body.trim_end()));
            return Ok(Exit::BadRules);
        }
        status => bail!("the daemon says {status}: {}", body.trim_end()),
    }
    if arguments.json {
        output::print(&body)?;
    } else {
        let plan: RulePlan = serde_json::from_str(&body).context("the daemon is of another version")?;
        output::print(&plan.to_string())?;
    }
    Ok(Exit::Fine)
}

/// The daemon's answer.
async fn ask(settings: &Settings) -> anyhow::Result<(StatusCode, String)> {
    let listen = settings.http.context("the daemon serves no HTTP: see [http]")?;
    let token = settings.http_token.as_ref();
    let token = token.context("no token is configured: write token = \"${env:NAME}\" under [http]")?;
    let address = reachable(listen);
    let no_daemon = || format!("no daemon answers at {address}");
    let stream = tokio::net::TcpStream::connect(address).await.with_context(no_daemon)?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await.with_context(no_daemon)?;
    let connection = tokio::spawn(connection);
    let request = Request::get("/rules/plan")
        .header("host", address.to_string())
        .header("authorization", format!("Bearer {}", token.expose()))
        .body(Empty::<Bytes>::new())?;
    let answer = sender.send_request(request).await.with_context(no_daemon)?;
    let status = answer.status();
    let body = Limited::new(answer.into_body(), ANSWER_BYTES_MAX).collect().await;
    let body = body.map_err(|error| anyhow!("{error}")).with_context(no_daemon)?.to_bytes();
    connection.abort();
    Ok((status, String::from_utf8_lossy(&body).into_owned()))
}

/// Where one that listens everywhere is reached from here.
fn reachable(listen: SocketAddr) -> SocketAddr {
    let mut address = listen;
    if listen.ip().is_unspecified() {
        let loopback = if listen.is_ipv4() { [127, 0, 0, 1].into() } else { std::net::Ipv6Addr::LOCALHOST.into() };
        address.set_ip(loopback);
    }
    address
}
