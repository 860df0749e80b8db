//! Where alerts and dead letters go, and what alerts carry.

use toml::Spanned;

use crate::config::raw::{RawAlerts, RawDeadLetters};
use crate::config::resolve::Checker;
use crate::config::{AlertsTo, DeadLettersTo, Problem};
use crate::program::Evidence;

impl Checker<'_> {
    pub(super) fn alerts(&mut self, raw: Option<Spanned<RawAlerts>>) -> AlertsTo {
        let Some(raw) = raw else {
            self.problems.push(Problem {
                line: None,
                field: "alerts".to_owned(),
                message: "say where alerts go: [alerts] with topic, file or stdout = true".to_owned(),
            });
            return AlertsTo::Stdout;
        };
        let at = raw.span().start;
        match raw.into_inner() {
            RawAlerts { topic: Some(topic), file: None, stdout: None, .. } => {
                self.topic_name(&topic, "alerts.topic");
                AlertsTo::Topic(topic.into_inner())
            }
            RawAlerts { topic: None, file: Some(file), stdout: None, .. } => {
                AlertsTo::File(self.folder.join(file.get_ref()))
            }
            RawAlerts { topic: None, file: None, stdout: Some(stdout), .. } if *stdout.get_ref() => AlertsTo::Stdout,
            _ => {
                self.at(at, "alerts", "name one of topic, file and stdout = true");
                AlertsTo::Stdout
            }
        }
    }

    pub(super) fn evidence(&mut self, raw: Option<&Spanned<RawAlerts>>) -> Evidence {
        let Some(given) = raw.and_then(|alerts| alerts.get_ref().evidence.as_ref()) else { return Evidence::default() };
        Evidence::named(given.get_ref()).unwrap_or_else(|| {
            self.problem(given, "alerts.evidence", "write \"fields\" or \"full\"");
            Evidence::default()
        })
    }

    pub(super) fn dead_letters(
        &mut self,
        raw: Option<Spanned<RawDeadLetters>>,
        name: &str,
        on_topics: bool,
    ) -> DeadLettersTo {
        let Some(raw) = raw else {
            let topic = DeadLettersTo::Topic(format!("{name}.dead-letters"));
            return if on_topics { topic } else { DeadLettersTo::Nowhere };
        };
        let at = raw.span().start;
        match raw.into_inner() {
            RawDeadLetters { topic: Some(topic), file: None } => {
                self.topic_name(&topic, "dead_letters.topic");
                DeadLettersTo::Topic(topic.into_inner())
            }
            RawDeadLetters { topic: None, file: Some(file) } => DeadLettersTo::File(self.folder.join(file.get_ref())),
            _ => {
                self.at(at, "dead_letters", "name one of topic and file");
                DeadLettersTo::Nowhere
            }
        }
    }
}
