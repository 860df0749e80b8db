//! The built daemon as a process, and what it tells of itself.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use anyhow::Context;

use crate::topics;

const CONFIG: &str = "tripline.toml";

pub(super) struct Daemon {
    child: Child,
    address: String,
    folder: tempfile::TempDir,
}

impl Daemon {
    /// Starts the daemon over a topic of events, as a group that no other run has.
    pub(super) fn start(broker: &str, topic: &str, rules: &str, delivery: &str) -> anyhow::Result<Daemon> {
        Daemon::start_with(broker, topic, rules, delivery, "30s")
    }

    /// As [`Daemon::start`], with a snapshot of each partition so often.
    pub(super) fn start_with(
        broker: &str,
        topic: &str,
        rules: &str,
        delivery: &str,
        snapshot_every: &str,
    ) -> anyhow::Result<Daemon> {
        let address = TcpListener::bind("127.0.0.1:0")?.local_addr()?.to_string();
        let name = topics::unique("daemon");
        let folder = tempfile::tempdir()?;
        std::fs::write(folder.path().join("bench.rules"), rules)?;
        let config = format!(
            "name = \"{name}\"\nrules = [\"bench.rules\"]\n[kafka]\nbrokers = \"{broker}\"\n\
             delivery = \"{delivery}\"\n[[source]]\ntopic = \"{topic}\"\nkey = \"user_id\"\nlateness = \"0s\"\n\
             idle_timeout = \"1s\"\n[alerts]\ntopic = \"{topic}-alerts\"\n\
             [http]\nlisten = \"{address}\"\n[log]\nlevel = \"warn\"\n\
             [state]\nevery = \"{snapshot_every}\"\n"
        );
        std::fs::write(folder.path().join(CONFIG), config)?;
        Ok(Daemon { child: spawn(folder.path())?, address, folder })
    }

    /// Kills it.
    pub(super) fn crash(&mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        self.child.wait()?;
        Ok(())
    }

    /// Starts it as it was started.
    pub(super) fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = spawn(self.folder.path())?;
        Ok(())
    }

    /// Waits until it reads.
    pub(super) fn ready(&mut self) -> anyhow::Result<()> {
        topics::until("the daemon to be ready", || {
            anyhow::ensure!(self.child.try_wait()?.is_none(), "the daemon has ended");
            Ok(self.get("/readyz").ok().filter(|answer| answer.starts_with("HTTP/1.1 200")).map(drop))
        })
    }

    /// How many events it has judged.
    pub(super) fn events(&self) -> u64 {
        self.counted("tripline_events_total{")
    }

    /// How many alerts it has sent.
    pub(super) fn alerts(&self) -> u64 {
        self.counted("tripline_alerts_total{")
    }

    /// How many snapshots it has written.
    pub(super) fn snapshots(&self) -> u64 {
        self.counted("tripline_snapshots_total ")
    }

    /// The upper end of the bucket, in ms, in which this share of the commits so far lies, and how many there were.
    pub(super) fn commit_ms(&self, share: f64) -> anyhow::Result<(f64, u64)> {
        let text = self.get("/metrics")?;
        let bucket = |line: &str| {
            let (end, count) = line.strip_prefix("tripline_commit_milliseconds_bucket{le=\"")?.split_once("\"} ")?;
            Some((end.parse().unwrap_or(f64::INFINITY), count.parse::<u64>().ok()?))
        };
        let buckets: Vec<(f64, u64)> = text.lines().filter_map(bucket).collect();
        let (_, all) = buckets.last().context("no commit times")?;
        let wanted = share * *all as f64;
        let (end, _) = buckets.iter().find(|(_, count)| *count as f64 >= wanted).context("no commit times")?;
        Ok((*end, *all))
    }

    /// The sum of a counter over its labels.
    fn counted(&self, metric: &str) -> u64 {
        // It does not listen from its first moment on.
        let Ok(answer) = self.get("/metrics") else { return 0 };
        let lines = answer.lines().filter(|line| line.starts_with(metric));
        let counts = lines.filter_map(|line| line.rsplit(' ').next()?.parse::<u64>().ok());
        counts.sum()
    }

    /// The processor time that it has taken, in seconds; 0 where `/proc` does not tell.
    pub(super) fn cpu_seconds(&self) -> f64 {
        const TICKS_PER_SECOND: f64 = 100.0;
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", self.child.id())).unwrap_or_default();
        let after_name = stat.rsplit(") ").next().unwrap_or_default();
        let ticks = after_name.split(' ').skip(11).take(2).filter_map(|field| field.parse::<f64>().ok());
        ticks.sum::<f64>() / TICKS_PER_SECOND
    }

    fn get(&self, path: &str) -> std::io::Result<String> {
        let mut stream = TcpStream::connect(&self.address)?;
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")?;
        let mut answer = String::new();
        stream.read_to_string(&mut answer)?;
        Ok(answer)
    }
}

fn spawn(folder: &Path) -> anyhow::Result<Child> {
    let binary = std::env::current_exe()?.ancestors().nth(2).context("a target folder")?.join("tripline");
    anyhow::ensure!(binary.exists(), "{} is not there: cargo build --release", binary.display());
    let mut command = Command::new(binary);
    command.arg("run").arg("-c").arg(folder.join(CONFIG)).env("XDG_STATE_HOME", folder).stdout(Stdio::null());
    Ok(command.env_remove("STATE_DIRECTORY").spawn()?)
}

impl Drop for Daemon {
    fn drop(&mut self) {
        if self.child.kill().is_ok() {
            self.child.wait().map_or_else(|error| eprintln!("the daemon did not end: {error}"), drop);
        }
    }
}
