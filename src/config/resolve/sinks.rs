//! Who reads the alerts: the tables `[sink.NAME]`.

use std::collections::BTreeMap;
use std::time::Duration;

use toml::Spanned;

use crate::config::raw::{OneOrMany, RawEmail, RawFileSink, RawPostgres, RawSink, RawWebhook};
use crate::config::resolve::Checker;
use crate::config::{KafkaSettings, SinkKind, SinkSettings, values};
use crate::program::Severity;
use crate::secret::Secret;
use crate::sink::{EmailSettings, FileSettings, PostgresSettings, TopicSettings, WebhookSettings};

/// Fields of `[sink.NAME.kafka]` that are ours; every other one is a librdkafka property.
const TOPIC_FIELDS: [&str; 3] = ["topic", "brokers", "min_severity"];

/// Headers that hold a secret: their values must not stand in the file.
const SECRET_HEADERS: [&str; 5] = ["authorization", "cookie", "x-api-key", "api-key", "x-auth-token"];

impl Checker<'_> {
    /// The sinks, by name.
    pub(super) fn sinks(
        &mut self,
        raw: BTreeMap<String, Spanned<RawSink>>,
        daemon: Option<&KafkaSettings>,
    ) -> Vec<SinkSettings> {
        let mut sinks = Vec::new();
        for (name, sink) in raw {
            let at = sink.span().start;
            let RawSink { email, webhook, file, kafka, postgres } = sink.into_inner();
            let mut kinds = Vec::new();
            kinds.extend(email.map(|raw| SinkKind::Email(self.email(&name, raw))));
            kinds.extend(webhook.map(|raw| SinkKind::Webhook(self.webhook(&name, raw))));
            kinds.extend(file.map(|raw| SinkKind::File(self.file_sink(&name, raw))));
            kinds.extend(kafka.map(|raw| SinkKind::Topic(self.topic_sink(&name, raw, daemon))));
            kinds.extend(postgres.map(|raw| SinkKind::Postgres(self.postgres(&name, raw))));
            match (kinds.pop(), kinds.is_empty()) {
                (Some(kind), true) => sinks.push(SinkSettings { name, kind }),
                _ => {
                    let message = "say the one thing that it does: [sink.NAME.email], webhook, file, kafka or postgres";
                    self.at(at, &format!("sink.{name}"), message);
                }
            }
        }
        sinks
    }

    fn file_sink(&mut self, name: &str, raw: Spanned<RawFileSink>) -> FileSettings {
        let at = raw.span().start;
        let field = |field: &str| format!("sink.{name}.file.{field}");
        let raw = raw.into_inner();
        let mut settings = FileSettings::new(self.folder.join(raw.path.get_ref()));
        settings.rotate = raw.rotate.as_ref().map(|size| {
            let bytes = values::bytes(size.get_ref()).map(|bytes| bytes as u64);
            bytes.unwrap_or_else(|message| {
                self.problem(size, &field("rotate"), message);
                u64::MAX
            })
        });
        settings.every = raw.every.as_ref().map(|every| self.duration(&field("every"), Some(every), Duration::MAX));
        settings.keep = raw.keep;
        settings.min_severity = raw.min_severity.as_ref().and_then(|text| self.severity(&field("min_severity"), text));
        for error in settings.validate().err().unwrap_or_default() {
            self.at(at, &format!("sink.{name}.file"), error.to_string());
        }
        settings
    }

    /// A topic of the daemon's own broker has its properties; one of another broker has none of them, logins least of all.
    fn topic_sink(
        &mut self,
        name: &str,
        raw: Spanned<BTreeMap<String, Spanned<toml::Value>>>,
        daemon: Option<&KafkaSettings>,
    ) -> TopicSettings {
        let at = raw.span().start;
        let table = format!("sink.{name}.kafka");
        let mut raw = raw.into_inner();
        let [topic, brokers, least] = TOPIC_FIELDS.map(|field| raw.remove(field));
        let mut kafka = match (&brokers, daemon) {
            (None, Some(daemon)) => daemon.clone(),
            _ => KafkaSettings::default(),
        };
        match brokers {
            Some(brokers) => {
                let brokers = self.property(&table, "brokers", &brokers);
                kafka.properties.push(("bootstrap.servers".to_owned(), brokers));
            }
            None if daemon.is_none() => {
                self.at(at, &format!("{table}.brokers"), "name at least one broker: brokers = \"host:9092\"");
            }
            None => {}
        }
        for (property, value) in raw {
            let value = self.librdkafka(&table, &TOPIC_FIELDS, &property, &value);
            kafka.properties.retain(|(known, _)| *known != property);
            kafka.properties.push((property, value));
        }
        let field = format!("{table}.topic");
        let topic = match topic {
            Some(topic) => self.text(&field, &topic),
            None => {
                self.at(at, &field, "name the topic: topic = \"alerts-copy\"");
                None
            }
        };
        if let Some(topic) = &topic {
            self.topic_name(topic, &field);
        }
        let field = format!("{table}.min_severity");
        let least = least.and_then(|least| self.text(&field, &least));
        let min_severity = least.and_then(|least| self.severity(&field, &least));
        TopicSettings { kafka, topic: topic.map_or_else(String::new, Spanned::into_inner), min_severity }
    }

    fn text(&mut self, field: &str, value: &Spanned<toml::Value>) -> Option<Spanned<String>> {
        let text = value.get_ref().as_str().map(|text| Spanned::new(value.span(), text.to_owned()));
        if text.is_none() {
            self.problem(value, field, "write a text");
        }
        text
    }

    fn webhook(&mut self, name: &str, raw: Spanned<RawWebhook>) -> WebhookSettings {
        let at = raw.span().start;
        let field = |field: &str| format!("sink.{name}.webhook.{field}");
        let raw = raw.into_inner();
        let mut settings = WebhookSettings::new(self.expanded(&field("url"), &raw.url));
        settings.insecure_plaintext = raw.insecure_plaintext.unwrap_or(false);
        settings.allow_private = raw.allow_private.unwrap_or(false);
        settings.secrets = raw.secret.map_or_else(Vec::new, |secrets| self.secrets(&field("secret"), secrets));
        let header = |(header, value): (String, Spanned<String>)| {
            let value = self.header(&field("headers"), &header, &value);
            (header, value)
        };
        settings.headers = raw.headers.into_iter().map(header).collect();
        settings.ca_file = raw.ca_file.as_ref().map(|file| self.existing(file, &field("ca_file")));
        settings.timeout = self.duration(&field("timeout"), raw.timeout.as_ref(), settings.timeout);
        settings.min_severity = raw.min_severity.as_ref().and_then(|text| self.severity(&field("min_severity"), text));
        for error in settings.validate().err().unwrap_or_default() {
            self.at(at, &format!("sink.{name}.webhook"), error.to_string());
        }
        settings
    }

    fn postgres(&mut self, name: &str, raw: Spanned<RawPostgres>) -> PostgresSettings {
        let at = raw.span().start;
        let field = |field: &str| format!("sink.{name}.postgres.{field}");
        let raw = raw.into_inner();
        let url = self.expanded(&field("url"), &raw.url);
        if !values::is_reference(raw.url.get_ref()) && PostgresSettings::url_holds_password(&url) {
            self.problem(&raw.url, &field("url"), values::SECRET_IN_FILE);
        }
        let mut settings = PostgresSettings::new(url, raw.table.into_inner());
        settings.password = raw.password.as_ref().map(|password| self.secret(&field("password"), password));
        settings.create = raw.create.unwrap_or(settings.create);
        settings.batch = raw.batch.unwrap_or(settings.batch);
        settings.insecure_plaintext = raw.insecure_plaintext.unwrap_or(false);
        settings.ca_file = raw.ca_file.as_ref().map(|file| self.existing(file, &field("ca_file")));
        settings.timeout = self.duration(&field("timeout"), raw.timeout.as_ref(), settings.timeout);
        settings.min_severity = raw.min_severity.as_ref().and_then(|text| self.severity(&field("min_severity"), text));
        for error in settings.validate().err().unwrap_or_default() {
            self.at(at, &format!("sink.{name}.postgres"), error.to_string());
        }
        settings
    }

    fn secret(&mut self, field: &str, given: &Spanned<String>) -> Secret {
        values::secret(given.get_ref(), &self.folder).unwrap_or_else(|message| {
            self.problem(given, field, message);
            Secret::new("-")
        })
    }

    fn secrets(&mut self, field: &str, given: Spanned<OneOrMany>) -> Vec<Secret> {
        let at = given.span().start;
        let mut secrets = Vec::new();
        for text in given.into_inner().into_vec() {
            match values::secret(&text, &self.folder) {
                Ok(secret) => secrets.push(secret),
                Err(message) => self.at(at, field, message),
            }
        }
        secrets
    }

    /// The value of a header. One that says who we are must not stand in the file.
    fn header(&mut self, field: &str, name: &str, value: &Spanned<String>) -> Secret {
        let is_secret = SECRET_HEADERS.iter().any(|secret| name.eq_ignore_ascii_case(secret));
        let read = if is_secret { values::secret } else { values::expand };
        read(value.get_ref(), &self.folder).unwrap_or_else(|message| {
            self.problem(value, field, message);
            Secret::new("-")
        })
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
        settings.password = raw.password.as_ref().map(|password| self.secret(&field("password"), password));
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
