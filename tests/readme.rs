//! What the README shows and no command runs: the configuration for a broker of one's own, and the alert.

use std::path::Path;

use tripline::config::{self, Settings, Sources, StatePlace};
use tripline::kafka;

fn readme() -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("README.md");
    std::fs::read_to_string(path).expect("there is a README")
}

/// The first block that opens with this line.
fn block(readme: &str, opening: &str) -> String {
    let (_, rest) = readme.split_once(&format!("\n{opening}\n")).expect("there is such a block");
    rest.split_once("\n```").expect("it ends").0.to_owned()
}

/// What a block writes into a file with `cat > NAME <<'END'`.
fn written<'r>(readme: &'r str, name: &str) -> &'r str {
    let (_, rest) = readme.split_once(&format!("cat > {name} <<'END'\n")).expect("it is written");
    rest.split_once("END\n").expect("it ends").0
}

#[test]
fn readme_shows_a_configuration_that_is_right() {
    let readme = readme();
    let folder = tempfile::tempdir().expect("a folder");
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).expect("it is written");
    write("hop.rules", written(&readme, "hop.rules"));
    write("mail-password", "secret\n");
    write("webhook-secret", "whsec_dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXM=\n");
    write("postgres-url", "postgres://tripline:secret@db.example.com:5432/fraud\n");
    // A test must not change the environment that it shares with others.
    let text = block(&readme, "```toml").replace("${env:KAFKA_PASSWORD}", "${file:mail-password}");
    let settings = config::parse(&folder.path().join("tripline.toml"), &text).expect("it is right");
    let broker = settings.kafka.expect("a broker is named");
    assert_eq!(kafka::check_properties(&broker), []);
    assert!(matches!(&settings.sources, Sources::Topics(topics) if topics.len() == 1));
    assert_eq!(settings.sinks.len(), 5);
}

/// Each block of TOML on a page of the manual, as part of a daemon's configuration.
fn settings_on(page: &str) -> Vec<(String, Settings)> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("docs/manual").join(page);
    let page = std::fs::read_to_string(path).expect("there is such a page");
    let folder = tempfile::tempdir().expect("a folder");
    std::fs::write(folder.path().join("ca.pem"), "").expect("it is written");
    for name in ["secret", "state-secret-key"] {
        std::fs::write(folder.path().join(name), "whsec_dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXM=\n")
            .expect("so too");
    }
    let daemon = "name = \"t\"\nrules = [\".\"]\n[kafka]\nbrokers = \"a:1\"\n[[source]]\ntopic = \"e\"\n[alerts]\n\
                  topic = \"x\"\n";
    let blocks = page.split("\n```toml\n").skip(1).map(|rest| rest.split("\n```").next().unwrap_or(""));
    let read = |shown: &str| {
        // A test must not change the environment that it shares with others.
        let mut text = shown.to_owned();
        while let Some((before, rest)) = text.split_once("${env:") {
            let (_, after) = rest.split_once('}').expect("it is closed");
            text = format!("{before}${{file:secret}}{after}");
        }
        let settings = config::parse(&folder.path().join("tripline.toml"), &format!("{daemon}{text}"));
        (shown.to_owned(), settings.expect("it is right"))
    };
    blocks.map(read).collect()
}

#[test]
fn the_manual_shows_sinks_that_are_right() {
    let shown = settings_on("sinks.md");
    assert!(!shown.is_empty());
    for (shown, settings) in shown {
        assert_eq!(settings.sinks.len(), 1, "{shown}");
    }
}

#[test]
fn the_manual_shows_places_for_snapshots_that_are_right() {
    let places: Vec<_> = settings_on("state.md").into_iter().filter_map(|(_, settings)| settings.state.place).collect();
    assert!(matches!(&places[..], [StatePlace::Folder(_), StatePlace::Bucket(_)]), "{places:?}");
}

#[test]
fn readme_shows_the_alert_that_its_files_give() {
    let readme = readme();
    let folder = tempfile::tempdir().expect("a folder");
    for name in ["hop.rules", "hop.ndjson"] {
        std::fs::write(folder.path().join(name), written(&readme, name)).expect("it is written");
    }
    let mut command = std::process::Command::new(env!("CARGO_BIN_EXE_tripline"));
    command.args(["replay", "--rules", "hop.rules", "hop.ndjson"]).current_dir(folder.path());
    let output = command.output().expect("the binary runs");
    let alert: serde_json::Value = serde_json::from_slice(&output.stdout).expect("one alert");
    let shown: serde_json::Value = serde_json::from_str(&block(&readme, "```json")).expect("it is JSON");
    assert_eq!(alert, shown);
}
