//! Raw configuration to settings. Every check is made here, in `ways_out` those of where alerts and dead letters go, in
//! `delivery` those of how, in `sinks` those of who reads the alerts, in `limits` those of `[limits]`, in `state` and
//! `bucket` those of where snapshots go; all problems are reported at once.

mod bucket;
mod delivery;
mod limits;
mod sinks;
mod state;
mod ways_out;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

use toml::Spanned;

use crate::config::raw::{OneOrMany, RawConfig, RawHttp, RawSource, line_of};
use crate::config::resolve::delivery::Asked;
use crate::config::{
    AlertsTo, DeadLettersTo, EventFields, FileSource, Format, InternalTopics, KafkaSettings, Late, LogFormat,
    LogSettings, Problem, Settings, SinkKind, Sources, Start, TimeSettings, TopicSource, values,
};
use crate::diagnostic::closest;
use crate::secret::Secret;
use crate::sink::TopicSettings;

/// Nobody guesses so many.
const TOKEN_BYTES_MIN: usize = 16;
const HTTP_DEFAULT: &str = "127.0.0.1:9464";
const IDLE_TIMEOUT: Duration = Duration::from_secs(5);
const MAX_FUTURE_MS: i64 = 300_000;
const TOPIC_LATENESS_MS: i64 = 2_000;
const THREADS_MAX: usize = 256;
const NAME_BYTES_MAX: usize = 100;

/// Fields of `[kafka]` that are ours; every other one is a librdkafka property.
const KAFKA_FIELDS: [&str; 6] =
    ["brokers", "internal_topics", "replication", "commit_interval", "delivery", "instance"];

/// Properties that would break what the daemon promises, each with the reason.
const OWNED_PROPERTIES: [(&str, &str); 22] = [
    ("bootstrap.servers", "write `brokers`"),
    ("metadata.broker.list", "write `brokers`"),
    ("group.id", "it is the configuration's `name`"),
    ("group.instance.id", "two copies with one id would shut each other out"),
    ("group.protocol", "state moves with partitions, which the classic protocol does"),
    ("partition.assignment.strategy", "equal partition numbers must stay together, which `range` does"),
    ("enable.auto.commit", "offsets are committed after the alerts that they cover"),
    ("auto.commit.interval.ms", "write `commit_interval`"),
    ("enable.auto.offset.store", "offsets are committed after the alerts that they cover"),
    ("auto.offset.reset", "write `start` at the source"),
    ("enable.partition.eof", "the daemon has to see the end of a partition"),
    ("statistics.interval.ms", "the daemon measures its lag by it"),
    ("enable.idempotence", "no alert may be stored twice by a retry"),
    ("acks", "an alert counts when all replicas have it"),
    ("request.required.acks", "an alert counts when all replicas have it"),
    ("message.timeout.ms", "an alert is never given up"),
    ("delivery.timeout.ms", "an alert is never given up"),
    ("message.send.max.retries", "an alert is never given up"),
    ("retries", "an alert is never given up"),
    ("transactional.id", "write `instance`"),
    ("isolation.level", "what was written in a transaction that failed never happened"),
    ("client.id", "it is the configuration's `name`"),
];

/// Properties that hold a secret: they must not stand in the file.
const SECRET_PROPERTIES: [&str; 6] = [
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
];

/// Checks everything.
pub(super) fn resolve(path: &Path, text: &str, raw: RawConfig) -> Result<Settings, Vec<Problem>> {
    let folder = path.parent().unwrap_or(Path::new("")).to_owned();
    let mut checker = Checker { text, folder, problems: Vec::new() };
    let settings = checker.settings(path, raw);
    checker.problems.sort_by_key(|problem| problem.line);
    if checker.problems.is_empty() { Ok(settings) } else { Err(checker.problems) }
}

/// Whether the daemon itself reads or writes the topic of a sink.
fn is_read_here(settings: &Settings, sink: &TopicSettings) -> bool {
    let same_broker = settings.kafka.as_ref().is_some_and(|kafka| kafka.brokers() == sink.kafka.brokers());
    let is_source = match &settings.sources {
        Sources::Topics(sources) => sources.iter().any(|source| source.topic == sink.topic),
        Sources::Files(_) => false,
    };
    let is_own = settings.alerts == AlertsTo::Topic(sink.topic.clone())
        || settings.dead_letters == DeadLettersTo::Topic(sink.topic.clone());
    same_broker && (is_source || is_own)
}

/// Collects problems. Where a value is wrong a harmless one stands in for it, so that the checks go on; the
/// settings are thrown away then.
struct Checker<'t> {
    text: &'t str,
    folder: PathBuf,
    problems: Vec<Problem>,
}

impl Checker<'_> {
    fn settings(&mut self, path: &Path, raw: RawConfig) -> Settings {
        let name = self.name(&raw.name);
        let rules = self.rules(raw.rules);
        let mut table = raw.kafka;
        let asked = table.as_mut().map(Asked::take);
        let mut kafka = table.map(|table| self.kafka(table));
        let sources = self.sources(raw.source);
        let threads = self.threads(raw.threads, &sources);
        let evidence = self.evidence(raw.alerts.as_ref());
        let alerts = self.alerts(raw.alerts);
        let on_topics = matches!(sources, Sources::Topics(_));
        if let (Some(kafka), Some(asked)) = (&mut kafka, &asked) {
            self.delivery(kafka, asked, on_topics, &alerts);
        }
        let dead_letters = self.dead_letters(raw.dead_letters, &name, on_topics);
        let sinks = self.sinks(raw.sink, kafka.as_ref());
        let state = self.state(raw.state, &sources);
        let http_token =
            raw.http.as_ref().and_then(|http| http.token.as_ref()).and_then(|token| self.http_token(token));
        let settings = Settings {
            path: path.to_owned(),
            name,
            rules,
            threads,
            kafka,
            sources,
            alerts,
            evidence,
            dead_letters,
            sinks,
            http: self.http(raw.http, on_topics),
            http_token,
            limits: self.limits(&raw.limits),
            state,
            log: self.log(raw.log.level, raw.log.format),
        };
        self.check_together(&settings);
        settings
    }

    fn name(&mut self, name: &Spanned<String>) -> String {
        let text = name.get_ref();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.is_empty() || text.len() > NAME_BYTES_MAX || !text.chars().all(fits) {
            let message = "1 to 100 letters, digits, `.`, `_` or `-`: it becomes part of topic and group names";
            self.problem(name, "name", message);
        }
        text.clone()
    }

    fn rules(&mut self, rules: Spanned<Vec<Spanned<String>>>) -> Vec<PathBuf> {
        if rules.get_ref().is_empty() {
            self.problem(&rules, "rules", "name at least one rule file or folder");
        }
        let mut paths = Vec::new();
        for rule in rules.into_inner() {
            let path = self.folder.join(rule.get_ref());
            if !path.exists() {
                self.problem(&rule, "rules", format!("{} does not exist", path.display()));
            }
            paths.push(path);
        }
        paths
    }

    fn kafka(&mut self, table: BTreeMap<String, Spanned<toml::Value>>) -> KafkaSettings {
        let mut settings = KafkaSettings::default();
        let mut brokers = false;
        for (name, value) in table {
            match name.as_str() {
                "brokers" => {
                    brokers = true;
                    let value = self.property("kafka", "brokers", &value);
                    settings.properties.push(("bootstrap.servers".to_owned(), value));
                }
                "internal_topics" => settings.internal_topics = self.internal_topics(&value),
                "replication" => settings.replication = self.replication(&value),
                "commit_interval" => settings.commit_interval = self.commit_interval(&value),
                _ => {
                    let value = self.librdkafka("kafka", &KAFKA_FIELDS, &name, &value);
                    settings.properties.push((name, value));
                }
            }
        }
        if !brokers {
            self.problems.push(Problem {
                line: None,
                field: "kafka.brokers".to_owned(),
                message: "name at least one broker: brokers = \"host:9092\"".to_owned(),
            });
        }
        settings
    }

    /// A property of the client. Ours are refused; a name without a dot that is close to one of our fields is a slip.
    fn librdkafka(&mut self, table: &str, fields: &[&str], name: &str, value: &Spanned<toml::Value>) -> Secret {
        let field = format!("{table}.\"{name}\"");
        if let Some((_, reason)) = OWNED_PROPERTIES.iter().find(|(owned, _)| *owned == name) {
            self.problem(value, &field, format!("this property is set by tripline: {reason}"));
        } else if !name.contains('.')
            && let Some(meant) = closest(name, fields.iter().copied())
        {
            self.problem(value, &field, format!("unknown field: did you mean `{meant}`?"));
        }
        self.property(table, name, value)
    }

    fn property(&mut self, table: &str, name: &str, value: &Spanned<toml::Value>) -> Secret {
        let field = format!("{table}.\"{name}\"");
        let read = match value.get_ref() {
            toml::Value::String(text) if SECRET_PROPERTIES.contains(&name) => values::secret(text, &self.folder),
            toml::Value::String(text) => values::expand(text, &self.folder),
            toml::Value::Integer(number) => Ok(Secret::new(number.to_string())),
            toml::Value::Boolean(flag) => Ok(Secret::new(flag.to_string())),
            toml::Value::Table(_) => Err(format!("put the property's name in quotes: \"{name}.…\" = …, not a table")),
            _ => Err("a property is a text, a whole number or true/false".to_owned()),
        };
        read.unwrap_or_else(|message| {
            self.problem(value, &field, message);
            Secret::new("")
        })
    }

    fn internal_topics(&mut self, value: &Spanned<toml::Value>) -> InternalTopics {
        match value.get_ref().as_str() {
            Some("create") => InternalTopics::Create,
            Some("expect") => InternalTopics::Expect,
            _ => {
                self.problem(value, "kafka.internal_topics", "write \"create\" or \"expect\"");
                InternalTopics::Create
            }
        }
    }

    fn replication(&mut self, value: &Spanned<toml::Value>) -> Option<i32> {
        let factor = value.get_ref().as_integer().and_then(|n| i32::try_from(n).ok()).filter(|n| (1..=100).contains(n));
        if factor.is_none() {
            self.problem(value, "kafka.replication", "a whole number from 1");
        }
        factor
    }

    fn commit_interval(&mut self, value: &Spanned<toml::Value>) -> Duration {
        let read =
            value.get_ref().as_str().ok_or_else(|| "write it as \"100ms\"".to_owned()).and_then(values::duration);
        let read = read.and_then(|interval| {
            let fits = (Duration::from_millis(10)..=Duration::from_secs(10)).contains(&interval);
            fits.then_some(interval).ok_or_else(|| "between 10ms and 10s".to_owned())
        });
        read.unwrap_or_else(|message| {
            self.problem(value, "kafka.commit_interval", message);
            KafkaSettings::default().commit_interval
        })
    }

    fn sources(&mut self, raw: Vec<Spanned<RawSource>>) -> Sources {
        if raw.is_empty() {
            self.problems.push(Problem {
                line: None,
                field: "source".to_owned(),
                message: "say where events come from: [[source]] with topic, file or stdin".to_owned(),
            });
        }
        if raw.iter().any(|source| source.get_ref().topic.is_none()) && raw.iter().any(|s| s.get_ref().topic.is_some())
        {
            let at = &raw[0];
            self.problem(at, "source", "topics and files cannot be mixed: a file has an end and a topic has none");
        }
        if raw.first().is_some_and(|source| source.get_ref().topic.is_some()) {
            let topics: Vec<TopicSource> = raw.into_iter().filter_map(|source| self.topic(source)).collect();
            self.check_repeats(topics.iter().map(|source| source.topic.as_str()));
            Sources::Topics(topics)
        } else {
            Sources::Files(raw.into_iter().map(|source| self.file(source)).collect())
        }
    }

    fn check_repeats<'a>(&mut self, topics: impl Iterator<Item = &'a str>) {
        let mut seen = BTreeSet::new();
        for topic in topics {
            if !seen.insert(topic.to_owned()) {
                self.problems.push(Problem {
                    line: None,
                    field: "source.topic".to_owned(),
                    message: format!("the topic `{topic}` is a source twice"),
                });
            }
        }
    }

    fn topic(&mut self, raw: Spanned<RawSource>) -> Option<TopicSource> {
        let raw = raw.into_inner();
        for (given, field) in
            [(raw.file.as_ref().map(Spanned::span), "file"), (raw.stdin.as_ref().map(Spanned::span), "stdin")]
        {
            if let Some(span) = given {
                self.at(span.start, &format!("source.{field}"), "a source is a topic or a file, not both");
            }
        }
        let topic = raw.topic.clone()?;
        self.topic_name(&topic, "source.topic");
        let time = self.time(&raw, TOPIC_LATENESS_MS);
        Some(TopicSource {
            topic: topic.into_inner(),
            time,
            key: raw.key.as_ref().map(|key| key.get_ref().clone()),
            start: raw.start.as_ref().map_or(Start::Earliest, |start| self.start(start)),
            idle_timeout: self.duration("source.idle_timeout", raw.idle_timeout.as_ref(), IDLE_TIMEOUT),
            max_future_ms: self.ms("source.max_future", raw.max_future.as_ref(), MAX_FUTURE_MS),
            copartitioned: raw.copartitioned.as_ref().map(|group| group.get_ref().clone()),
            fields: self.fields(raw),
        })
    }

    fn file(&mut self, raw: Spanned<RawSource>) -> FileSource {
        let span = raw.span();
        let raw = raw.into_inner();
        for (given, field) in [
            (&raw.key, "key"),
            (&raw.start, "start"),
            (&raw.idle_timeout, "idle_timeout"),
            (&raw.max_future, "max_future"),
            (&raw.copartitioned, "copartitioned"),
        ] {
            if let Some(given) = given {
                self.problem(
                    given,
                    &format!("source.{field}"),
                    "is for topics: a file is read from its start to its end",
                );
            }
        }
        let stdin = raw.stdin.as_ref().is_some_and(|stdin| *stdin.get_ref());
        if raw.file.is_some() == stdin {
            self.at(span.start, "source", "name one of topic, file and stdin = true");
        }
        let path = raw.file.as_ref().map(|file| self.existing(file, "source.file"));
        let time = self.time(&raw, 0);
        FileSource { path, time, fields: self.fields(raw) }
    }

    fn existing(&mut self, file: &Spanned<String>, field: &str) -> PathBuf {
        let path = self.folder.join(file.get_ref());
        if !path.exists() {
            self.problem(file, field, format!("{} does not exist", path.display()));
        }
        path
    }

    fn format(&mut self, raw: &RawSource) -> Format {
        let Some(at) = &raw.format else { return Format::Json };
        match at.get_ref().as_str() {
            "json" => {}
            "debezium" => {
                if raw.event.is_none() {
                    let message = "say which event the changes of this table are: event = \"merchants\"";
                    self.problem(at, "source.event", message);
                }
                return Format::Debezium;
            }
            "avro" => self.problem(at, "source.format", "Avro is not supported yet: write \"json\""),
            _ => self.problem(at, "source.format", "write \"json\" or \"debezium\""),
        }
        Format::Json
    }

    fn fields(&mut self, raw: RawSource) -> EventFields {
        if let (Some(_), Some(event)) = (&raw.event_type, &raw.event) {
            self.problem(event, "source.event", "every event has this type, so `type` has no meaning beside it");
        }
        EventFields {
            format: self.format(&raw),
            event: raw.event.map(Spanned::into_inner),
            event_type: raw.event_type.map_or_else(Vec::new, |names| self.names("source.type", names)),
            time: raw.time.map_or_else(Vec::new, |names| self.names("source.time", names)),
            id: raw.id.map_or_else(Vec::new, |names| self.names("source.id", names)),
        }
    }

    fn names(&mut self, field: &str, names: Spanned<OneOrMany>) -> Vec<String> {
        let at = names.span().start;
        let names = names.into_inner().into_vec();
        if names.is_empty() || names.iter().any(|name| name.split('.').any(str::is_empty)) {
            self.at(at, field, "a field's path, such as \"user.id\"");
        }
        names
    }

    fn time(&mut self, raw: &RawSource, lateness_ms: i64) -> TimeSettings {
        let late = match raw.late.as_ref().map(|late| (late, late.get_ref().as_str())) {
            None | Some((_, "drop")) => Late::Drop,
            Some((_, "process")) => Late::Process,
            Some((_, "dead-letter")) => Late::DeadLetter,
            Some((at, _)) => {
                self.problem(at, "source.late", "write \"drop\", \"process\" or \"dead-letter\"");
                Late::Drop
            }
        };
        TimeSettings {
            lateness_ms: self.ms("source.lateness", raw.lateness.as_ref(), lateness_ms),
            late,
            drop_duplicates_ms: raw.drop_duplicates.as_ref().map(|window| self.duplicates_ms(window)),
        }
    }

    fn duplicates_ms(&mut self, window: &Spanned<String>) -> i64 {
        let ms = self.ms("source.drop_duplicates", Some(window), 0);
        if values::duration(window.get_ref()).is_ok_and(|window| window.is_zero()) {
            self.problem(window, "source.drop_duplicates", "a time longer than nothing, or leave it out");
        }
        ms
    }

    fn start(&mut self, start: &Spanned<String>) -> Start {
        match start.get_ref().as_str() {
            "earliest" => Start::Earliest,
            "latest" => Start::Latest,
            text => values::instant(text).map_or_else(
                || {
                    let wanted = "write \"earliest\", \"latest\" or a time: 2026-01-31T08:00:00Z";
                    self.problem(start, "source.start", wanted);
                    Start::Earliest
                },
                Start::Time,
            ),
        }
    }

    fn duration(&mut self, field: &str, given: Option<&Spanned<String>>, default: Duration) -> Duration {
        let Some(given) = given else { return default };
        values::duration(given.get_ref()).unwrap_or_else(|message| {
            self.problem(given, field, message);
            default
        })
    }

    fn ms(&mut self, field: &str, given: Option<&Spanned<String>>, default: i64) -> i64 {
        match given {
            None => default,
            given => values::milliseconds(self.duration(field, given, Duration::ZERO)),
        }
    }

    fn topic_name(&mut self, topic: &Spanned<String>, field: &str) {
        let text = topic.get_ref();
        let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
        if text.is_empty() || text.len() > 249 || matches!(text.as_str(), "." | "..") || !text.chars().all(fits) {
            self.problem(topic, field, format!("`{text}` is no topic name: letters, digits, `.`, `_`, `-`"));
        }
    }

    fn http(&mut self, raw: Option<RawHttp>, on_topics: bool) -> Option<SocketAddr> {
        // Files end in seconds: nobody asks for their health, and two runs must not fight over a port.
        let raw = raw.or_else(|| on_topics.then_some(RawHttp { listen: None, enabled: None, token: None }))?;
        if raw.enabled == Some(false) {
            return None;
        }
        let Some(listen) = raw.listen else { return HTTP_DEFAULT.parse().ok() };
        let address = listen.get_ref().parse().ok();
        if address.is_none() {
            self.problem(&listen, "http.listen", "an address and a port, such as 127.0.0.1:9464 or 0.0.0.0:9464");
        }
        address
    }

    /// From outside the file, so that who may read the configuration cannot change the rules.
    fn http_token(&mut self, token: &Spanned<String>) -> Option<Secret> {
        if !token.get_ref().starts_with("${") {
            self.problem(token, "http.token", "write ${env:NAME} or ${file:PATH}: it is a password");
            return None;
        }
        match values::expand(token.get_ref(), &self.folder) {
            Ok(secret) if secret.expose().trim().len() >= TOKEN_BYTES_MIN => Some(Secret::new(secret.expose().trim())),
            Ok(_) => {
                let message = format!("at least {TOKEN_BYTES_MIN} characters: openssl rand -hex 32");
                self.problem(token, "http.token", message);
                None
            }
            Err(message) => {
                self.problem(token, "http.token", message);
                None
            }
        }
    }

    fn threads(&mut self, given: Option<Spanned<usize>>, sources: &Sources) -> NonZeroUsize {
        let all = || std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let Some(given) = given else { return all() };
        if matches!(sources, Sources::Files(_)) {
            self.problem(&given, "threads", "files are judged on one thread here; `tripline replay` uses more");
        }
        let count = NonZeroUsize::new(*given.get_ref()).filter(|count| count.get() <= THREADS_MAX);
        count.unwrap_or_else(|| {
            self.problem(&given, "threads", format!("from 1 to {THREADS_MAX}"));
            all()
        })
    }

    fn log(&mut self, level: Option<Spanned<String>>, format: Option<Spanned<String>>) -> LogSettings {
        let format = format.and_then(|format| match format.get_ref().as_str() {
            "text" => Some(LogFormat::Text),
            "json" => Some(LogFormat::Json),
            _ => {
                self.problem(&format, "log.format", "write \"text\" or \"json\"");
                None
            }
        });
        if let Some(level) = &level
            && crate::telemetry::check_filter(level.get_ref()).is_err()
        {
            self.problem(level, "log.level", "write error, warn, info, debug or a filter such as info,tripline=debug");
        }
        LogSettings { level: level.map(Spanned::into_inner), format }
    }

    /// What only shows when the parts are seen together.
    fn check_together(&mut self, settings: &Settings) {
        let topics = matches!(settings.sources, Sources::Topics(_));
        let alerts_topic = matches!(settings.alerts, AlertsTo::Topic(_));
        let dead_letters_topic = matches!(settings.dead_letters, DeadLettersTo::Topic(_));
        let mut say = |field: &str, message: &str| {
            self.problems.push(Problem { line: None, field: field.to_owned(), message: message.to_owned() });
        };
        if (topics || alerts_topic || dead_letters_topic) && settings.kafka.is_none() {
            say("kafka", "a topic is named, so say where the broker is: [kafka] brokers = \"host:9092\"");
        }
        if topics && !alerts_topic && !settings.sinks.is_empty() {
            say("alerts", "sinks of a daemon over topics read the alerts topic: name one");
        }
        let files = settings.sinks.iter().filter_map(|sink| match &sink.kind {
            SinkKind::File(file) => Some(&file.path),
            SinkKind::Email(_) | SinkKind::Webhook(_) | SinkKind::Topic(_) | SinkKind::Postgres(_) => None,
        });
        let mut written: Vec<&PathBuf> = files.collect();
        if let AlertsTo::File(path) = &settings.alerts {
            written.push(path);
        }
        if let DeadLettersTo::File(path) = &settings.dead_letters {
            written.push(path);
        }
        written.sort_unstable();
        if let Some(twice) = written.windows(2).find(|pair| pair[0] == pair[1]) {
            say("sink", &format!("{} would have two writers", twice[0].display()));
        }
        for sink in &settings.sinks {
            if let SinkKind::Topic(topic) = &sink.kind
                && is_read_here(settings, topic)
            {
                say(&format!("sink.{}.kafka.topic", sink.name), "its alerts would come back to it: name another topic");
            }
        }
        if let (Sources::Topics(sources), AlertsTo::Topic(alerts)) = (&settings.sources, &settings.alerts)
            && sources.iter().any(|source| source.topic == *alerts)
        {
            say("alerts.topic", "a source cannot be the alerts topic as well");
        }
        if let Sources::Files(files) = &settings.sources
            && files.iter().any(|file| file.time.late == Late::DeadLetter)
            && settings.dead_letters == DeadLettersTo::Nowhere
        {
            say("source.late", "\"dead-letter\" needs [dead_letters] file or topic");
        }
        if let Sources::Files(files) = &settings.sources
            && files.iter().filter(|file| file.path.is_none()).count() > 1
        {
            say("source.stdin", "there is one standard input");
        }
    }

    fn problem<T>(&mut self, at: &Spanned<T>, field: &str, message: impl Into<String>) {
        self.at(at.span().start, field, message);
    }

    fn at(&mut self, at: usize, field: &str, message: impl Into<String>) {
        let line = Some(line_of(self.text, at));
        self.problems.push(Problem { line, field: field.to_owned(), message: message.into() });
    }
}
