//! A folder with `events.ndjson` and `alerts.ndjson`: what goes in, and what must come out.
//!
//! Each line of `alerts.ndjson` is an object that an alert must contain, in order; fields that it leaves out may be
//! anything, so that a fixture says no more than it means. Every alert of every rule must have its line, and everything
//! that a measure emits if the fixture is about the measure: if the folder has its name, or a line names it.

use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use serde_json::Value as Json;

use crate::alert::{Alert, AlertRecord};
use crate::engine::End;
use crate::program::Program;
use crate::replay::{self, Observer, Refused, Settings};
use crate::ruletest::Outcome;
use crate::source::Progress;

/// A folder of fixtures.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fixture {
    /// The folder.
    pub folder: PathBuf,
}

/// Why a fixture cannot be run.
#[derive(Debug, thiserror::Error)]
pub enum FixtureError {
    /// A file or folder cannot be read or written.
    #[error("cannot read or write {}", path.display())]
    Io {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
    /// A line of `alerts.ndjson` is no JSON object.
    #[error("{}:{line}: not a JSON object", path.display())]
    Expected {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
    },
}

/// The fixtures at or below a folder, in the order of their names.
pub fn find_fixtures(path: &Path) -> Result<Vec<Fixture>, FixtureError> {
    let error = |source| FixtureError::Io { path: path.to_owned(), source };
    if !path.is_dir() {
        return Ok(Vec::new());
    }
    if path.join(EVENTS).exists() {
        return Ok(vec![Fixture { folder: path.to_owned() }]);
    }
    let mut entries = Vec::new();
    for entry in fs::read_dir(path).map_err(error)? {
        entries.push(entry.map_err(error)?.path());
    }
    entries.sort();
    let mut found = Vec::new();
    for entry in entries {
        found.extend(find_fixtures(&entry)?);
    }
    Ok(found)
}

/// What goes in.
pub(super) const EVENTS: &str = "events.ndjson";
const ALERTS: &str = "alerts.ndjson";

impl Fixture {
    /// Runs all rules over the events and compares.
    pub fn run(&self, program: &Arc<Program>) -> anyhow::Result<Outcome> {
        let expected = self.expected()?;
        let (alerts, mut failures) = self.replay(program, &expected)?;
        for at in 0..expected.len().max(alerts.len()) {
            match (expected.get(at), alerts.get(at)) {
                (Some(expected), Some(alert)) => {
                    let differences = differences("", expected, alert);
                    if !differences.is_empty() {
                        failures.push(format!("{ALERTS}:{}: {}\n  got {alert}", at + 1, differences.join("; ")));
                    }
                }
                (Some(expected), None) => {
                    failures.push(format!("{ALERTS}:{}: expected, and did not come: {expected}", at + 1));
                }
                (None, Some(alert)) => failures.push(format!("not expected: {alert}")),
                (None, None) => {}
            }
        }
        Ok(Outcome { failures })
    }

    /// Writes the alerts that come now as those that are expected, whole.
    pub fn update(&self, program: &Arc<Program>) -> anyhow::Result<()> {
        let expected = if self.folder.join(ALERTS).exists() { self.expected()? } else { Vec::new() };
        let (alerts, _) = self.replay(program, &expected)?;
        let path = self.folder.join(ALERTS);
        let lines: Vec<String> = alerts.iter().map(Json::to_string).chain([String::new()]).collect();
        fs::write(&path, lines.join("\n")).map_err(|source| FixtureError::Io { path, source })?;
        Ok(())
    }

    /// What the alerts must contain, line by line.
    pub(super) fn expected(&self) -> Result<Vec<Json>, FixtureError> {
        let path = self.folder.join(ALERTS);
        let text = fs::read_to_string(&path).map_err(|source| FixtureError::Io { path: path.clone(), source })?;
        let lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty());
        let parse = |(at, line): (usize, &str)| match serde_json::from_str(line) {
            Ok(expected @ Json::Object(_)) => Ok(expected),
            _ => Err(FixtureError::Expected { path: path.clone(), line: at + 1 }),
        };
        lines.map(parse).collect()
    }

    /// The alerts as JSON, without those of measures that the fixture is not about, and the lines that hold no event.
    fn replay(&self, program: &Arc<Program>, expected: &[Json]) -> anyhow::Result<(Vec<Json>, Vec<String>)> {
        let files = [self.folder.join(EVENTS)];
        let settings = Settings { end: End::Flush, threads: 1, ..Settings::default() };
        let mut seen = Seen { sources: replay::source_names(&files), ..Seen::default() };
        replay::replay(program, &files, &settings, &mut seen)?;
        seen.alerts.retain(|alert| alert["kind"] != "measure" || self.is_about(&alert["rule"], expected));
        Ok((seen.alerts, seen.refused))
    }

    /// Whether what this measure emits must have its lines.
    pub(super) fn is_about(&self, measure: &Json, expected: &[Json]) -> bool {
        let has_its_name = self.folder.file_name().is_some_and(|name| Some(name) == measure.as_str().map(OsStr::new));
        has_its_name || expected.iter().any(|line| line["rule"] == *measure)
    }
}

#[derive(Default)]
struct Seen {
    sources: Arc<[String]>,
    alerts: Vec<Json>,
    refused: Vec<String>,
}

impl Observer for Seen {
    fn alerts(&mut self, alerts: &[Alert]) -> anyhow::Result<()> {
        for alert in alerts {
            self.alerts.push(serde_json::to_value(AlertRecord::new(alert, &self.sources))?);
        }
        Ok(())
    }

    fn refused(&mut self, refused: &Refused) -> anyhow::Result<()> {
        self.refused.push(format!("{EVENTS}:{}: {}", refused.position.offset, refused.error));
        Ok(())
    }

    fn progress(&mut self, _: Progress, _: u64) -> anyhow::Result<()> {
        Ok(())
    }
}

/// Where an alert does not contain what is expected. Lists have the same length; objects may hold more.
pub(super) fn differences(path: &str, expected: &Json, got: &Json) -> Vec<String> {
    match (expected, got) {
        (Json::Object(expected), Json::Object(got)) => {
            let field = |(name, value): (&String, &Json)| {
                let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
                differences(&path, value, got.get(name).unwrap_or(&Json::Null))
            };
            expected.iter().flat_map(field).collect()
        }
        (Json::Array(expected), Json::Array(got)) if expected.len() == got.len() => {
            let element =
                |(at, (expected, got)): (usize, (&Json, &Json))| differences(&format!("{path}[{at}]"), expected, got);
            expected.iter().zip(got).enumerate().flat_map(element).collect()
        }
        (Json::Number(a), Json::Number(b)) if a.as_f64() == b.as_f64() => Vec::new(),
        (expected, got) if expected == got => Vec::new(),
        (expected, got) => vec![format!("{path} is {got}, not {expected}")],
    }
}
