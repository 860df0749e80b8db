//! A Postgres server of a test's own, from the binaries of the machine: `apt install postgresql`.
//!
//! Without them there is none, which is said aloud, past libtest's capture; with `TRIPLINE_REQUIRE_POSTGRES` in the
//! environment it is a failure.

use std::fs;
use std::io::Write as _;
use std::net::TcpListener;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use rcgen::{CertifiedKey, generate_simple_self_signed};
use tempfile::TempDir;

/// Of the superuser; everybody logs in by SCRAM.
pub(crate) const PASSWORD: &str = "hunter2-of-postgres";

pub(crate) struct PostgresServer {
    folder: TempDir,
    binaries: PathBuf,
    port: u16,
}

impl PostgresServer {
    /// A server on TLS for `localhost`, which also speaks without; none where Postgres is not installed.
    pub(crate) fn start() -> Option<PostgresServer> {
        let Some(binaries) = binaries() else {
            assert!(std::env::var_os("TRIPLINE_REQUIRE_POSTGRES").is_none(), "PostgreSQL is not installed");
            let test = std::thread::current().name().unwrap_or("a test").to_owned();
            writeln!(std::io::stderr(), "SKIPPED, for PostgreSQL is not installed: {test}").expect("it is open");
            return None;
        };
        let mut server = PostgresServer { folder: tempfile::tempdir().expect("a folder"), binaries, port: 0 };
        server.initialize();
        // Somebody else may take the port in the moment between.
        for _ in 0..5 {
            server.port = free_port();
            if server.try_start() {
                return Some(server);
            }
        }
        panic!("it does not start: {}", fs::read_to_string(server.folder.path().join("log")).unwrap_or_default());
    }

    fn initialize(&self) {
        let folder = self.folder.path();
        fs::write(folder.join("password"), PASSWORD).expect("it is written");
        give_away(folder);
        let data = self.data();
        let (data, password) = (text(&data), folder.join("password"));
        self.run("initdb", &["-D", data, "-U", "postgres", "-A", "scram-sha-256", "--pwfile", text(&password), "-N"]);
        let names = vec!["localhost".to_owned()];
        let CertifiedKey { cert, signing_key } = generate_simple_self_signed(names).expect("a certificate");
        fs::write(self.certificate(), cert.pem()).expect("it is written");
        let key = self.data().join("server.key");
        fs::write(&key, signing_key.serialize_pem()).expect("it is written");
        let settings = fs::OpenOptions::new().append(true).open(self.data().join("postgresql.conf"));
        settings.expect("it is there").write_all(b"ssl = on\n").expect("it is written");
        assert!(Command::new("chmod").arg("600").arg(&key).status().expect("chmod runs").success());
        give_away(folder);
    }

    /// Starts it again on its port.
    pub(crate) fn start_again(&self) {
        assert!(self.try_start(), "{}", fs::read_to_string(self.folder.path().join("log")).unwrap_or_default());
    }

    fn try_start(&self) -> bool {
        let folder = text(self.folder.path()).to_owned();
        let options =
            format!("-p {} -c listen_addresses=127.0.0.1 -c unix_socket_directories={folder} -c fsync=off", self.port);
        let log = format!("{folder}/log");
        let mut start = self.command("pg_ctl");
        start.args(["-D", text(&self.data()), "-w", "-l", &log, "-o", &options, "start"]);
        start.stdout(Stdio::null()).stderr(Stdio::null()).status().expect("pg_ctl runs").success()
    }

    /// Stops it: `fast` tells the sessions, `immediate` is a crash.
    pub(crate) fn stop(&self, mode: &str) {
        self.run("pg_ctl", &["-D", text(&self.data()), "-m", mode, "-w", "stop"]);
    }

    /// From now on it speaks no TLS.
    pub(crate) fn forget_tls(&self) {
        self.sql("alter system set ssl = off");
        self.sql("select pg_reload_conf()");
        // It takes note when it comes to it.
        while self.sql("show ssl") != "off" {
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    /// The address of its database for a user.
    pub(crate) fn url(&self, host: &str, user: &str) -> String {
        format!("postgres://{user}@{host}:{}/postgres", self.port)
    }

    /// PEM of the certificate that clients have to trust.
    pub(crate) fn certificate(&self) -> PathBuf {
        self.data().join("server.crt")
    }

    /// What `psql` prints, as the superuser, without blanks at the ends.
    pub(crate) fn sql(&self, statement: &str) -> String {
        let output = self.psql(statement).output().expect("psql runs");
        assert!(output.status.success(), "{statement}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }

    /// A session of its own, in which these statements are one transaction.
    pub(crate) fn session(&self, statements: &str) -> Child {
        self.psql(statements).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("psql runs")
    }

    fn psql(&self, statements: &str) -> Command {
        let mut psql = Command::new(self.binaries.join("psql"));
        let port = self.port.to_string();
        psql.args([
            "-h",
            "127.0.0.1",
            "-p",
            &port,
            "-U",
            "postgres",
            "-X",
            "-q",
            "-v",
            "ON_ERROR_STOP=1",
            "-tAc",
            statements,
        ]);
        psql.env("PGPASSWORD", PASSWORD);
        psql
    }

    fn run(&self, program: &str, arguments: &[&str]) {
        let output = self.command(program).args(arguments).output().expect("it runs");
        assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
    }

    fn command(&self, program: &str) -> Command {
        let program = self.binaries.join(program);
        let mut command = if is_root() {
            let mut command = Command::new("setpriv");
            command.args(["--reuid=nobody", "--regid=nogroup", "--clear-groups"]).arg(program);
            command
        } else {
            Command::new(program)
        };
        command.current_dir(self.folder.path());
        command
    }

    fn data(&self) -> PathBuf {
        self.folder.path().join("data")
    }
}

impl Drop for PostgresServer {
    fn drop(&mut self) {
        // It fails where it has stopped already.
        let mut stop = self.command("pg_ctl");
        stop.args(["-D", text(&self.data()), "-m", "immediate", "-w", "stop"]).stdout(Stdio::null());
        drop(stop.stderr(Stdio::null()).status());
    }
}

/// The newest that is there.
fn binaries() -> Option<PathBuf> {
    let versions = fs::read_dir("/usr/lib/postgresql").ok()?.flatten();
    let found = versions.map(|version| version.path().join("bin")).filter(|binaries| binaries.join("initdb").exists());
    let version = |binaries: &PathBuf| {
        let name = binaries.parent().and_then(Path::file_name).and_then(|name| name.to_str());
        name.and_then(|name| name.parse::<u32>().ok())
    };
    found.max_by_key(version)
}

/// Postgres refuses to run as root.
fn give_away(folder: &Path) {
    if is_root() {
        let status = Command::new("chown").args(["-R", "nobody:nogroup"]).arg(folder).status();
        assert!(status.expect("chown runs").success());
    }
}

fn is_root() -> bool {
    fs::metadata("/proc/self").expect("we are there").uid() == 0
}

fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    listener.local_addr().expect("a bound socket").port()
}

fn text(path: &Path) -> &str {
    path.to_str().expect("a path is text")
}
