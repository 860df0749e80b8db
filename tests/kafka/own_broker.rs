//! A broker of a test's own, for what no other test may feel: `scripts/broker` with a state of its own.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use super::broker::Broker;

pub(super) struct OwnBroker {
    state: tempfile::TempDir,
    address: String,
}

impl OwnBroker {
    pub(super) fn start() -> OwnBroker {
        let mut own = OwnBroker { state: tempfile::tempdir().expect("a folder"), address: String::new() };
        own.script("start");
        let variables = own.script("env");
        let line = variables.lines().find_map(|line| line.strip_prefix("export TRIPLINE_TEST_BROKER="));
        line.expect("the address").clone_into(&mut own.address);
        own
    }

    pub(super) fn broker(&self) -> Broker {
        Broker::at(&self.address)
    }

    /// SIGSTOP, and SIGCONT after a while.
    pub(super) fn freeze(&self, time: Duration) {
        self.signal("-STOP");
        std::thread::sleep(time);
        self.signal("-CONT");
    }

    fn signal(&self, signal: &str) {
        let state = std::fs::read_to_string(self.file()).expect("it runs");
        let pid = state.lines().find_map(|line| line.strip_prefix("pid=")).expect("its process");
        assert!(Command::new("kill").args([signal, pid]).status().expect("kill runs").success(), "it runs");
    }

    fn file(&self) -> PathBuf {
        self.state.path().join("state")
    }

    fn script(&self, argument: &str) -> String {
        let script = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("scripts/broker");
        let output = Command::new(script).arg(argument).env("TRIPLINE_BROKER_STATE", self.file()).output();
        let output = output.expect("the script runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text")
    }
}

impl Drop for OwnBroker {
    fn drop(&mut self) {
        if self.file().exists() {
            self.signal("-CONT");
            self.script("stop");
        }
    }
}
