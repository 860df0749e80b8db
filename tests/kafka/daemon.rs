//! The built binary as a process, with its configuration in a folder of its own.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::TcpStream;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use super::broker::GUARD;

pub(super) struct Daemon {
    child: Child,
    log: Arc<Mutex<Vec<String>>>,
    address: Option<String>,
}

/// Writes rules and configuration into a folder. `[http]` listens on a free port.
pub(super) fn folder(rules: &str, config: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("test.rules"), rules).expect("the rules are written");
    let config = format!("{config}\n[http]\nlisten = \"127.0.0.1:0\"\n[log]\nformat = \"json\"\n");
    std::fs::write(folder.path().join("tripline.toml"), config).expect("the configuration is written");
    folder
}

pub(super) fn command(folder: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.arg("run").arg("-c").arg(folder.join("tripline.toml"));
    // What belongs to this machine is kept in the folder too.
    command.env_remove("STATE_DIRECTORY").env("XDG_STATE_HOME", folder.join("state"));
    command
}

impl Daemon {
    pub(super) fn start(folder: &Path) -> Daemon {
        Daemon::start_with(&mut command(folder))
    }

    pub(super) fn start_with(command: &mut Command) -> Daemon {
        let mut child = command.stderr(Stdio::piped()).spawn().expect("the binary runs");
        let stderr = child.stderr.take().expect("it is piped");
        let log = Arc::<Mutex<Vec<String>>>::default();
        let lines = Arc::clone(&log);
        std::thread::spawn(move || {
            for line in BufReader::new(stderr).lines().map_while(Result::ok) {
                lines.lock().expect("no panic").push(line);
            }
        });
        Daemon { child, log, address: None }
    }

    /// Waits until a log line has this text.
    pub(super) fn logged(&self, text: &str) -> String {
        let until = Instant::now() + GUARD;
        loop {
            let log = self.log.lock().expect("no panic").clone();
            if let Some(line) = log.iter().find(|line| line.contains(text)) {
                return line.clone();
            }
            assert!(Instant::now() < until, "`{text}` was never logged:\n{}", log.join("\n"));
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    pub(super) fn log(&self) -> String {
        self.log.lock().expect("no panic").join("\n")
    }

    /// Waits until it is ready.
    pub(super) fn ready(&mut self) {
        let until = Instant::now() + GUARD;
        loop {
            let answer = self.get("/readyz");
            if answer.starts_with("HTTP/1.1 200") {
                return;
            }
            assert!(Instant::now() < until, "never ready: {answer}\n{}", self.log());
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The whole answer to a request.
    pub(super) fn get(&mut self, path: &str) -> String {
        let address = self.address().to_owned();
        let mut stream = TcpStream::connect(address).expect("it listens");
        write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n")
            .expect("it takes requests");
        let mut answer = String::new();
        stream.read_to_string(&mut answer).expect("it answers");
        answer
    }

    /// Where it listens.
    pub(super) fn address(&mut self) -> &str {
        if self.address.is_none() {
            let line = self.logged("health and metrics");
            let line: serde_json::Value = serde_json::from_str(&line).expect("the log is JSON");
            self.address = Some(line["listen"].as_str().expect("the address").to_owned());
        }
        self.address.as_deref().expect("it was just set")
    }

    /// SIGKILL.
    pub(super) fn kill(&mut self) {
        self.child.kill().expect("it runs");
        self.child.wait().expect("it ends");
    }

    /// SIGTERM, and what comes of it.
    pub(super) fn terminate(&mut self) -> (ExitStatus, Duration) {
        let began = Instant::now();
        self.signal("-TERM");
        (self.wait(), began.elapsed())
    }

    /// SIGHUP.
    pub(super) fn hang_up(&self) {
        self.signal("-HUP");
    }

    /// SIGSTOP, and SIGCONT after a while.
    pub(super) fn freeze(&self, time: Duration) {
        self.signal("-STOP");
        std::thread::sleep(time);
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let pid = self.child.id().to_string();
        let sent = Command::new("kill").args([signal, &pid]).status().expect("kill runs");
        assert!(sent.success(), "the process is there");
    }

    /// Waits until it ends by itself.
    pub(super) fn wait(&mut self) -> ExitStatus {
        let until = Instant::now() + GUARD;
        loop {
            if let Some(status) = self.child.try_wait().expect("it is ours") {
                return status;
            }
            assert!(Instant::now() < until, "it never ended:\n{}", self.log());
            std::thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // Either may fail where it has ended already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
