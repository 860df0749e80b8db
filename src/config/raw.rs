//! The configuration as it is written. Unknown fields are refused here, with the nearest known one.

use std::collections::BTreeMap;

use serde::Deserialize;
use toml::Spanned;

use crate::config::Problem;
use crate::diagnostic::closest;

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawConfig {
    pub(super) name: Spanned<String>,
    pub(super) rules: Spanned<Vec<Spanned<String>>>,
    pub(super) threads: Option<Spanned<usize>>,
    pub(super) kafka: Option<BTreeMap<String, Spanned<toml::Value>>>,
    #[serde(default)]
    pub(super) source: Vec<Spanned<RawSource>>,
    pub(super) alerts: Option<Spanned<RawAlerts>>,
    pub(super) dead_letters: Option<Spanned<RawDeadLetters>>,
    #[serde(default)]
    pub(super) sink: BTreeMap<String, Spanned<RawSink>>,
    pub(super) http: Option<RawHttp>,
    #[serde(default)]
    pub(super) limits: RawLimits,
    #[serde(default)]
    pub(super) log: RawLog,
    pub(super) state: Option<Spanned<RawState>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawState {
    pub(super) url: Option<Spanned<String>>,
    pub(super) every: Option<Spanned<String>>,
    pub(super) endpoint: Option<Spanned<String>>,
    pub(super) region: Option<Spanned<String>>,
    pub(super) access_key: Option<Spanned<String>>,
    pub(super) secret_key: Option<Spanned<String>>,
    pub(super) session_token: Option<Spanned<String>>,
    pub(super) path_style: Option<Spanned<bool>>,
    pub(super) insecure_plaintext: Option<Spanned<bool>>,
    pub(super) ca_file: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSource {
    pub(super) topic: Option<Spanned<String>>,
    pub(super) file: Option<Spanned<String>>,
    pub(super) stdin: Option<Spanned<bool>>,
    pub(super) format: Option<Spanned<String>>,
    #[serde(rename = "type")]
    pub(super) event_type: Option<Spanned<OneOrMany>>,
    pub(super) event: Option<Spanned<String>>,
    pub(super) time: Option<Spanned<OneOrMany>>,
    pub(super) id: Option<Spanned<OneOrMany>>,
    pub(super) key: Option<Spanned<String>>,
    pub(super) start: Option<Spanned<String>>,
    pub(super) lateness: Option<Spanned<String>>,
    pub(super) late: Option<Spanned<String>>,
    pub(super) drop_duplicates: Option<Spanned<String>>,
    pub(super) idle_timeout: Option<Spanned<String>>,
    pub(super) max_future: Option<Spanned<String>>,
    pub(super) copartitioned: Option<Spanned<String>>,
}

/// `"ts"` or `["ts", "time"]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged)]
pub(super) enum OneOrMany {
    One(String),
    Many(Vec<String>),
}

impl OneOrMany {
    pub(super) fn into_vec(self) -> Vec<String> {
        match self {
            OneOrMany::One(one) => vec![one],
            OneOrMany::Many(many) => many,
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawAlerts {
    pub(super) topic: Option<Spanned<String>>,
    pub(super) file: Option<Spanned<String>>,
    pub(super) stdout: Option<Spanned<bool>>,
    pub(super) evidence: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawDeadLetters {
    pub(super) topic: Option<Spanned<String>>,
    pub(super) file: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawSink {
    pub(super) email: Option<Spanned<RawEmail>>,
    pub(super) webhook: Option<Spanned<RawWebhook>>,
    pub(super) file: Option<Spanned<RawFileSink>>,
    pub(super) kafka: Option<Spanned<BTreeMap<String, Spanned<toml::Value>>>>,
    pub(super) postgres: Option<Spanned<RawPostgres>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawFileSink {
    pub(super) path: Spanned<String>,
    pub(super) rotate: Option<Spanned<String>>,
    pub(super) every: Option<Spanned<String>>,
    pub(super) keep: Option<usize>,
    pub(super) min_severity: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawWebhook {
    pub(super) url: Spanned<String>,
    pub(super) insecure_plaintext: Option<bool>,
    pub(super) secret: Option<Spanned<OneOrMany>>,
    #[serde(default)]
    pub(super) headers: BTreeMap<String, Spanned<String>>,
    pub(super) ca_file: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<String>>,
    pub(super) allow_private: Option<bool>,
    pub(super) min_severity: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawPostgres {
    pub(super) url: Spanned<String>,
    pub(super) password: Option<Spanned<String>>,
    pub(super) table: Spanned<String>,
    pub(super) create: Option<bool>,
    pub(super) batch: Option<usize>,
    pub(super) insecure_plaintext: Option<bool>,
    pub(super) ca_file: Option<Spanned<String>>,
    pub(super) timeout: Option<Spanned<String>>,
    pub(super) min_severity: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawEmail {
    pub(super) server: Spanned<String>,
    pub(super) insecure_plaintext: Option<bool>,
    pub(super) ca_file: Option<Spanned<String>>,
    pub(super) user: Option<Spanned<String>>,
    pub(super) password: Option<Spanned<String>>,
    pub(super) from: Spanned<String>,
    pub(super) to: Spanned<OneOrMany>,
    pub(super) timeout: Option<Spanned<String>>,
    pub(super) digest_after: Option<usize>,
    pub(super) max_per_hour: Option<usize>,
    pub(super) min_severity: Option<Spanned<String>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawHttp {
    pub(super) listen: Option<Spanned<String>>,
    pub(super) enabled: Option<bool>,
    pub(super) token: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLimits {
    pub(super) max_event_bytes: Option<Spanned<usize>>,
    pub(super) max_event_depth: Option<Spanned<usize>>,
    pub(super) max_remembered_ids: Option<Spanned<usize>>,
    pub(super) max_open_runs_per_key: Option<Spanned<usize>>,
    pub(super) max_open_runs_per_rule: Option<Spanned<usize>>,
    pub(super) max_keys: Option<Spanned<usize>>,
    pub(super) max_state: Option<Spanned<String>>,
    pub(super) when_full: Option<Spanned<String>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct RawLog {
    pub(super) level: Option<Spanned<String>>,
    pub(super) format: Option<Spanned<String>>,
}

/// Reads the text; what is not TOML, or has a field that does not exist, is a problem at its line.
pub(super) fn parse(text: &str) -> Result<RawConfig, Problem> {
    toml::from_str(text).map_err(|error| {
        let span = error.span().unwrap_or(0..0);
        let message = without_value(error.message());
        let meant = did_you_mean(&message).map(|name| format!(": did you mean `{name}`?"));
        Problem {
            line: Some(line_of(text, span.start)),
            field: String::new(),
            message: message + &meant.unwrap_or_default(),
        }
    })
}

/// The line of a place in the text, from 1.
pub(super) fn line_of(text: &str, at: usize) -> usize {
    text[..text.floor_char_boundary(at)].matches('\n').count() + 1
}

/// serde says: invalid type: integer `4711`, expected a string. What stands in the file may be a secret in the wrong
/// form, so only its kind is told.
fn without_value(message: &str) -> String {
    let (value, expected) = (message.find(['`', '"']), message.rfind(", expected"));
    match (value, expected) {
        (Some(from), Some(to)) if message.starts_with("invalid ") && from < to => {
            format!("{}{}", message[..from].trim_end(), &message[to..])
        }
        _ => message.to_owned(),
    }
}

/// serde says: unknown field `a`, expected one of `b`, `c`. The names stand between backticks.
fn did_you_mean(message: &str) -> Option<String> {
    if !message.starts_with("unknown field") {
        return None;
    }
    let mut names = message.split('`').skip(1).step_by(2);
    let written = names.next()?;
    closest(written, names).map(ToOwned::to_owned)
}
