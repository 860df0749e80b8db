//! Who reads the alerts: the tables `[sink.NAME]`.

use std::collections::BTreeMap;

use toml::Spanned;

use crate::config::raw::{RawEmail, RawSink};
use crate::config::resolve::Checker;
use crate::config::{SinkSettings, values};
use crate::program::Severity;
use crate::secret::Secret;
use crate::sink::EmailSettings;

impl Checker<'_> {
    /// The sinks, by name.
    pub(super) fn sinks(&mut self, raw: BTreeMap<String, Spanned<RawSink>>) -> Vec<SinkSettings> {
        let mut sinks = Vec::new();
        for (name, sink) in raw {
            let at = sink.span().start;
            match sink.into_inner().email {
                Some(email) => sinks.push(SinkSettings { email: self.email(&name, email), name }),
                None => self.at(at, &format!("sink.{name}"), "say what it does: [sink.NAME.email]"),
            }
        }
        sinks
    }

    fn email(&mut self, name: &str, raw: Spanned<RawEmail>) -> EmailSettings {
        let at = raw.span().start;
        let field = |field: &str| format!("sink.{name}.email.{field}");
        let raw = raw.into_inner();
        let server = self.expanded(&field("server"), &raw.server);
        let server = match server.strip_prefix("file:") {
            Some(path) => format!("file:{}", self.folder.join(path).display()),
            None => server,
        };
        let mut settings = EmailSettings::new(server, raw.from.into_inner(), raw.to.into_inner().into_vec());
        settings.insecure_plaintext = raw.insecure_plaintext.unwrap_or(false);
        settings.ca_file = raw.ca_file.as_ref().map(|file| self.existing(file, &field("ca_file")));
        settings.user = raw.user.as_ref().map(|user| self.expanded(&field("user"), user));
        settings.password = raw.password.as_ref().map(|text| {
            values::secret(text.get_ref(), &self.folder).unwrap_or_else(|message| {
                self.problem(text, &field("password"), message);
                Secret::new("-")
            })
        });
        settings.timeout = self.duration(&field("timeout"), raw.timeout.as_ref(), settings.timeout);
        settings.digest_after = raw.digest_after.unwrap_or(settings.digest_after);
        settings.max_per_hour = raw.max_per_hour.unwrap_or(settings.max_per_hour);
        settings.min_severity = raw.min_severity.as_ref().and_then(|text| self.severity(&field("min_severity"), text));
        for error in settings.validate().err().unwrap_or_default() {
            self.at(at, &format!("sink.{name}.email"), error.to_string());
        }
        settings
    }

    fn expanded(&mut self, field: &str, text: &Spanned<String>) -> String {
        values::expand(text.get_ref(), &self.folder).map_or_else(
            |message| {
                self.problem(text, field, message);
                String::new()
            },
            |value| value.expose().to_owned(),
        )
    }

    fn severity(&mut self, field: &str, text: &Spanned<String>) -> Option<Severity> {
        let found = Severity::ALL.into_iter().find(|severity| severity.as_str() == text.get_ref());
        if found.is_none() {
            self.problem(text, field, "write info, low, medium, high or critical");
        }
        found
    }
}
