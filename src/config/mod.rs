//! The configuration: one TOML file to checked [`Settings`]. Stands before everything that the daemon does.
//!
//! - `raw`     the file as it is written, unknown fields refused;
//! - `resolve` raw to settings: every check is made here, and all problems are reported at once;
//! - `values`  durations, secrets, addresses;
//! - `problem` what is wrong, with file, line and field.
//!
//! This is the only module that knows TOML. Nothing here opens a connection, and no secret is ever printed.

mod problem;
mod raw;
mod resolve;
mod values;

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::time::Duration;

pub use problem::{ConfigError, Problem};

use crate::checkpoint::BucketSettings;
use crate::engine::Limits as OpenLimits;
use crate::program::{Evidence, Severity};
use crate::secret::Secret;
use crate::sink::{EmailSettings, FileSettings, PostgresSettings, TopicSettings, WebhookSettings};

/// What a configuration file says, checked.
#[derive(Clone, Debug)]
pub struct Settings {
    /// The file.
    pub path: PathBuf,
    /// Consumer group, and the beginning of the names of internal topics.
    pub name: String,
    /// Rule files and folders of them.
    pub rules: Vec<PathBuf>,
    /// How many threads judge the events of topics, the one that reads them included.
    pub threads: NonZeroUsize,
    /// The broker; there is one wherever a topic is named.
    pub kafka: Option<KafkaSettings>,
    /// Where events come from.
    pub sources: Sources,
    /// Where alerts go.
    pub alerts: AlertsTo,
    /// What they carry of the events that they matched.
    pub evidence: Evidence,
    /// Where messages go that are no events.
    pub dead_letters: DeadLettersTo,
    /// Who reads the alerts.
    pub sinks: Vec<SinkSettings>,
    /// Health and metrics.
    pub http: Option<SocketAddr>,
    /// What must be shown there to change rules; they cannot be changed that way where there is none.
    pub http_token: Option<Secret>,
    /// Limits on messages, and on what is remembered of them.
    pub limits: Limits,
    /// Snapshots of the state.
    pub state: StateSettings,
    /// How much is logged, and how.
    pub log: LogSettings,
}

/// Snapshots of the state, over topics.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateSettings {
    /// Where they are kept; a folder of this machine that belongs to the daemon where none is said.
    pub place: Option<StatePlace>,
    /// The shortest time between two of a shard.
    pub every: Duration,
}

/// Where snapshots are kept.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum StatePlace {
    /// A folder.
    Folder(PathBuf),
    /// A bucket of an S3-compatible store.
    Bucket(Box<BucketSettings>),
}

/// The broker.
#[derive(Clone, Debug)]
pub struct KafkaSettings {
    /// librdkafka properties, `bootstrap.servers` among them.
    pub properties: Vec<(String, Secret)>,
    /// What is done when an internal topic is missing.
    pub internal_topics: InternalTopics,
    /// The replication factor of created topics; the broker's default where there is none.
    pub replication: Option<i32>,
    /// The longest time between two commits.
    pub commit_interval: Duration,
    /// What becomes of alerts when the daemon or its connection fails.
    pub delivery: Delivery,
    /// What tells this copy from the others, where it is said.
    pub instance: Option<String>,
}

/// What becomes of alerts when the daemon or its connection fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Delivery {
    /// They and the position in the sources are written in one transaction.
    ExactlyOnce,
    /// They are written, then the position: some come again.
    AtLeastOnce,
}

impl Default for KafkaSettings {
    /// No properties yet, a commit every 100 ms, and no transactions.
    fn default() -> Self {
        KafkaSettings {
            properties: Vec::new(),
            internal_topics: InternalTopics::Create,
            replication: None,
            commit_interval: Duration::from_millis(100),
            delivery: Delivery::AtLeastOnce,
            instance: None,
        }
    }
}

impl KafkaSettings {
    /// The addresses that are connected to first.
    pub fn brokers(&self) -> &str {
        let found = self.properties.iter().find(|(name, _)| name == "bootstrap.servers");
        found.map_or("", |(_, value)| value.expose())
    }
}

/// What is done when an internal topic is missing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum InternalTopics {
    /// It is created.
    #[default]
    Create,
    /// Somebody else creates it; the daemon does not start without it.
    Expect,
}

/// Where events come from: topics without end, or files that are read to theirs.
#[derive(Clone, Debug)]
pub enum Sources {
    /// Topics.
    Topics(Vec<TopicSource>),
    /// Files and standard input.
    Files(Vec<FileSource>),
}

/// The form of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Format {
    /// A JSON object.
    #[default]
    Json,
    /// Debezium's envelope around the change of a row.
    Debezium,
}

/// What messages are made of. Which fields hold type, time and id of an event. The lists are in order: the first that is present counts.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct EventFields {
    /// Their form.
    pub format: Format,
    /// The type every event has, where the source has only one.
    pub event: Option<String>,
    /// Where the type stands; none for the decoder's defaults.
    pub event_type: Vec<String>,
    /// Where the time stands; none for the decoder's defaults.
    pub time: Vec<String>,
    /// Where the id stands; none for the decoder's defaults.
    pub id: Vec<String>,
}

/// How out-of-order events are taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TimeSettings {
    /// How far events may be out of order, in ms.
    pub lateness_ms: i64,
    /// What is done with later ones.
    pub late: Late,
    /// How near in time two events with one id are one event, in ms; none where that is not asked.
    pub drop_duplicates_ms: Option<i64>,
}

/// What is done with late events.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Late {
    /// Left out and counted.
    #[default]
    Drop,
    /// Judged now.
    Process,
    /// Sent to the dead letters.
    DeadLetter,
}

/// A topic.
#[derive(Clone, Debug)]
pub struct TopicSource {
    /// Its name.
    pub topic: String,
    /// Where type, time and id stand.
    pub fields: EventFields,
    /// The field by which the topic is partitioned.
    pub key: Option<String>,
    /// Where a new group begins.
    pub start: Start,
    /// How time is taken.
    pub time: TimeSettings,
    /// After how long at its end a partition no longer holds back time.
    pub idle_timeout: Duration,
    /// How far an event may be ahead of the wall clock and still move time.
    pub max_future_ms: i64,
    /// The topics that declare the same name are partitioned alike.
    pub copartitioned: Option<String>,
}

/// Where a new group begins.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub enum Start {
    /// At the oldest event.
    #[default]
    Earliest,
    /// With the next event.
    Latest,
    /// At the first event stored at or after this time (ms).
    Time(i64),
}

/// A file, or standard input.
#[derive(Clone, Debug)]
pub struct FileSource {
    /// The file; standard input where there is none.
    pub path: Option<PathBuf>,
    /// Where type, time and id stand.
    pub fields: EventFields,
    /// How time is taken.
    pub time: TimeSettings,
}

/// Where alerts go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AlertsTo {
    /// To a topic.
    Topic(String),
    /// To the end of a file, a line each.
    File(PathBuf),
    /// To standard output, a line each.
    Stdout,
}

/// Where messages go that are no events.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum DeadLettersTo {
    /// To a topic, bytes as they are, the reason in headers.
    Topic(String),
    /// To the end of a file, a JSON object a line.
    File(PathBuf),
    /// Nowhere: counted and logged. Only for files, which keep what is in them.
    Nowhere,
}

/// A reader of the alerts.
#[derive(Clone, Debug)]
pub struct SinkSettings {
    /// Its name.
    pub name: String,
    /// What it does.
    pub kind: SinkKind,
}

/// What a sink does with alerts.
#[derive(Clone, Debug)]
pub enum SinkKind {
    /// Mails them.
    Email(EmailSettings),
    /// Posts them.
    Webhook(WebhookSettings),
    /// Writes them to a file.
    File(FileSettings),
    /// Writes them to another topic.
    Topic(TopicSettings),
    /// Inserts them into a table.
    Postgres(PostgresSettings),
}

impl SinkKind {
    /// Alerts below it are left to other sinks.
    pub fn min_severity(&self) -> Option<Severity> {
        match self {
            SinkKind::Email(settings) => settings.min_severity,
            SinkKind::Webhook(settings) => settings.min_severity,
            SinkKind::File(settings) => settings.min_severity,
            SinkKind::Topic(settings) => settings.min_severity,
            SinkKind::Postgres(settings) => settings.min_severity,
        }
    }
}

/// The deepest nesting that can be asked for: as far as the decoder goes.
pub const EVENT_DEPTH_CEILING: usize = 200;

/// Limits on messages, and on what is kept of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// The largest message in bytes.
    pub event_bytes_max: usize,
    /// The deepest nesting.
    pub event_depth_max: usize,
    /// How many ids of a file or partition are remembered where repeats are dropped.
    pub remembered_ids_max: usize,
    /// What may be open, in all partitions together.
    pub open: OpenLimits,
}

/// How much is logged, and how.
#[derive(Clone, Debug, PartialEq, Eq, Default)]
pub struct LogSettings {
    /// A level, or a filter such as `info,tripline::daemon=debug`.
    pub level: Option<String>,
    /// The form; by the terminal where there is none.
    pub format: Option<LogFormat>,
}

/// The form of log lines.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LogFormat {
    /// For people.
    Text,
    /// An object a line.
    Json,
}

/// Reads a configuration file.
pub fn load(path: &Path) -> Result<Settings, ConfigError> {
    let text =
        std::fs::read_to_string(path).map_err(|source| ConfigError::Unreadable { path: path.to_owned(), source })?;
    parse(path, &text)
}

/// As [`load`], from text; the path is what relative paths start from and what errors name.
pub fn parse(path: &Path, text: &str) -> Result<Settings, ConfigError> {
    let raw =
        raw::parse(text).map_err(|problem| ConfigError::Wrong { path: path.to_owned(), problems: vec![problem] })?;
    resolve::resolve(path, text, raw).map_err(|problems| ConfigError::Wrong { path: path.to_owned(), problems })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::engine::WhenFull;

    const SMALLEST: &str = "name = \"t\"\nrules = [\".\"]\n[[source]]\nstdin = true\n[alerts]\nstdout = true\n";
    const TOPIC: &str = "name = \"t\"\nrules = [\".\"]\n[kafka]\nbrokers = \"a:1\"\n[[source]]\ntopic = \"e\"\n[alerts]\n\
                         topic = \"x\"\n";

    fn problems(text: &str) -> String {
        parse(Path::new("t.toml"), text).map(|_| ()).expect_err("it is wrong").to_string()
    }

    #[test]
    fn defaults_are_those_of_the_manual() {
        let settings = parse(Path::new("t.toml"), TOPIC).expect("it is right");
        let Sources::Topics(topics) = &settings.sources else { panic!("a topic is a topic") };
        assert_eq!(topics[0].start, Start::Earliest);
        assert_eq!(topics[0].time, TimeSettings { lateness_ms: 2_000, late: Late::Drop, drop_duplicates_ms: None });
        assert_eq!((topics[0].idle_timeout, topics[0].max_future_ms), (Duration::from_secs(5), 300_000));
        assert_eq!(settings.dead_letters, DeadLettersTo::Topic("t.dead-letters".to_owned()));
        assert_eq!(settings.http, "127.0.0.1:9464".parse().ok());
        let kafka = settings.kafka.expect("given");
        assert_eq!((kafka.brokers(), kafka.commit_interval), ("a:1", Duration::from_millis(100)));
        assert_eq!((kafka.delivery, kafka.instance), (Delivery::ExactlyOnce, None));

        let settings = parse(Path::new("t.toml"), SMALLEST).expect("it is right");
        assert_eq!((settings.dead_letters, settings.http), (DeadLettersTo::Nowhere, None));
    }

    #[test]
    fn a_misspelt_field_is_told_with_its_line_and_the_right_one() {
        let text = SMALLEST.replace("stdin", "stdn");
        assert!(problems(&text).starts_with("t.toml:4: unknown field `stdn`"), "{}", problems(&text));
        assert!(problems(&text).ends_with("did you mean `stdin`?"), "{}", problems(&text));
        let text = TOPIC.replace("brokers", "brokrs");
        assert!(problems(&text).contains("t.toml:4: kafka.\"brokrs\": unknown field: did you mean `brokers`?"));
    }

    #[test]
    fn repeats_are_dropped_within_a_time_that_is_longer_than_nothing() {
        let read = |value: &str| {
            let text = TOPIC.replace("topic = \"e\"", &format!("topic = \"e\"\ndrop_duplicates = {value}"));
            parse(Path::new("t.toml"), &text)
        };
        let settings = read("\"1h\"\n[limits]\nmax_remembered_ids = 7").expect("it is right");
        let Sources::Topics(topics) = &settings.sources else { panic!("a topic is a topic") };
        assert_eq!((topics[0].time.drop_duplicates_ms, settings.limits.remembered_ids_max), (Some(3_600_000), 7));
        for (wrong, said) in [("\"0s\"", "longer than nothing"), ("\"an hour\"", "not a duration"), ("true", "string")]
        {
            let problems = read(wrong).map(|_| ()).expect_err("it is wrong").to_string();
            assert!(problems.contains("t.toml:7") && problems.contains(said), "{problems}");
        }
    }

    #[test]
    fn threads_are_those_of_topics() {
        let given = |text: &str, threads: &str| text.replacen("rules", &format!("threads = {threads}\nrules"), 1);
        let settings = parse(Path::new("t.toml"), &given(TOPIC, "3")).expect("it is right");
        assert_eq!(settings.threads.get(), 3);
        assert!(problems(&given(TOPIC, "0")).contains("threads: from 1 to 256"), "{}", problems(&given(TOPIC, "0")));
        let told = problems(&given(SMALLEST, "3"));
        assert!(told.contains("t.toml:2: threads: files are judged on one thread"), "{told}");
    }

    #[test]
    fn what_may_be_open_has_limits() {
        let read = |limits: &str| parse(Path::new("t.toml"), &format!("{SMALLEST}[limits]\n{limits}\n"));
        let open = |limits: &str| read(limits).expect("it is right").limits.open;
        assert_eq!(open(""), OpenLimits::default());
        let all = "max_open_runs_per_key = 7\nmax_open_runs_per_rule = 8\nmax_keys = 9\nmax_state = \"2 MiB\"\n\
                   when_full = \"drop-new\"";
        let limits = OpenLimits {
            open_runs_per_key: 7,
            open_runs_per_rule: 8,
            keys: 9,
            state_bytes: 2 << 20,
            when_full: WhenFull::DropNew,
        };
        assert_eq!(open(all), limits);
        for (wrong, said) in [
            ("max_open_runs_per_key = 0", "limits.max_open_runs_per_key: from 1 to"),
            ("max_keys = 0", "limits.max_keys: from 1 to"),
            ("max_state = \"lots\"", "limits.max_state: `lots` is not a size: write 512MiB or 2GiB"),
            ("max_state = \"3KiB\"", "limits.max_state: from 1MiB to"),
            ("when_full = \"stop\"", "limits.when_full: write \"drop-oldest\" or \"drop-new\""),
            ("max_open_runs_per_keys = 1", "did you mean `max_open_runs_per_key`?"),
        ] {
            let problems = read(wrong).map(|_| ()).expect_err("it is wrong").to_string();
            assert!(problems.contains("t.toml:8") && problems.contains(said), "{problems}");
        }
    }

    #[test]
    fn alerts_carry_fields_or_whole_events() {
        let read =
            |evidence: &str| parse(Path::new("t.toml"), &SMALLEST.replace("stdout", &format!("{evidence}\nstdout")));
        for (written, meant) in [
            ("", Evidence::Fields),
            ("evidence = \"fields\"", Evidence::Fields),
            ("evidence = \"full\"", Evidence::Full),
        ] {
            assert_eq!(read(written).expect("it is right").evidence, meant);
        }
        for (wrong, said) in [
            ("evidence = \"all\"", "t.toml:6: alerts.evidence: write \"fields\" or \"full\""),
            ("evidence = true", "t.toml:6"),
            ("evidenc = \"full\"", "did you mean `evidence`?"),
        ] {
            let problems = read(wrong).map(|_| ()).expect_err("it is wrong").to_string();
            assert!(problems.contains(said), "{problems}");
        }
        let problems =
            problems("name = \"t\"\nrules = [\".\"]\n[[source]]\nstdin = true\n[alerts]\nevidence = \"full\"\n");
        assert!(problems.contains("name one of topic, file and stdout = true"), "{problems}");
    }

    #[test]
    fn every_problem_is_told_at_once() {
        let text = TOPIC
            .replace("topic = \"e\"", "topic = \"e e\"\nlateness = \"soon\"\nlate = \"never\"\nformat = \"avro\"")
            .replace("[[source]]", "\"group.id\" = \"mine\"\n[[source]]");
        let told = problems(&text);
        for part in
            ["t.toml:5: kafka.\"group.id\"", "source.topic", "source.lateness", "source.late:", "not supported yet"]
        {
            assert!(told.contains(part), "{part}: {told}");
        }
    }

    #[test]
    fn exactly_once_is_from_topic_to_topic() {
        let kafka = |text: &str, more: &str| text.replace("brokers = \"a:1\"", &format!("brokers = \"a:1\"\n{more}"));
        let read = |text: &str| parse(Path::new("t.toml"), text).expect("it is right").kafka.expect("given");
        let (once, least) = ("delivery = \"exactly-once\"", "delivery = \"at-least-once\"");
        assert_eq!(read(&kafka(TOPIC, once)).delivery, Delivery::ExactlyOnce);
        assert_eq!(read(&kafka(TOPIC, least)).delivery, Delivery::AtLeastOnce);
        assert_eq!(read(&kafka(TOPIC, "instance = \"a.1\"")).instance.as_deref(), Some("a.1"));
        let stdout = TOPIC.replace("topic = \"x\"", "stdout = true");
        assert_eq!(read(&stdout).delivery, Delivery::AtLeastOnce);
        let files = TOPIC.replace("topic = \"e\"", "stdin = true");
        assert_eq!(read(&files).delivery, Delivery::AtLeastOnce);
        for (wrong, said) in [
            (kafka(&stdout, once), "t.toml:5: kafka.delivery: exactly-once is for alerts that go to a topic"),
            (kafka(&files, once), "t.toml:5: kafka.delivery: exactly-once is for events from topics"),
            (
                kafka(TOPIC, "delivery = \"once\""),
                "t.toml:5: kafka.delivery: write \"exactly-once\" or \"at-least-once\"",
            ),
            (kafka(TOPIC, "instance = \"a b\""), "t.toml:5: kafka.instance: 1 to 100 letters"),
            (
                kafka(TOPIC, "instance = \"${env:NO_SUCH}\""),
                "t.toml:5: kafka.instance: the environment variable NO_SUCH",
            ),
            (kafka(TOPIC, &format!("{least}\ninstance = \"a\"")), "t.toml:6: kafka.instance: names the transactions"),
            (kafka(TOPIC, "\"transactional.id\" = \"a\""), "write `instance`"),
            (kafka(TOPIC, "\"isolation.level\" = \"read_uncommitted\""), "kafka.\"isolation.level\""),
            (
                kafka(TOPIC, "commit_interval = \"10s\"\n\"transaction.timeout.ms\" = 15000"),
                "t.toml:6: kafka.\"transaction.timeout.ms\": at least twice the commit_interval",
            ),
        ] {
            assert!(problems(&wrong).contains(said), "{said}: {}", problems(&wrong));
        }
    }

    #[test]
    fn own_topics_are_made_or_expected() {
        let read = |more: &str| {
            let text = TOPIC.replace("brokers = \"a:1\"", &format!("brokers = \"a:1\"\n{more}"));
            parse(Path::new("t.toml"), &text)
        };
        let kafka = |more: &str| read(more).expect("it is right").kafka.expect("given");
        assert_eq!(kafka("").internal_topics, InternalTopics::Create);
        assert_eq!(kafka("internal_topics = \"create\"").internal_topics, InternalTopics::Create);
        let given = kafka("internal_topics = \"expect\"\nreplication = 3");
        assert_eq!((given.internal_topics, given.replication), (InternalTopics::Expect, Some(3)));
        for wrong in ["\"exist\"", "true"] {
            let problems =
                read(&format!("internal_topics = {wrong}")).map(|_| ()).expect_err("it is wrong").to_string();
            assert_eq!(problems, "t.toml:5: kafka.internal_topics: write \"create\" or \"expect\"");
        }
    }

    #[test]
    fn the_changes_of_a_table_are_of_one_event() {
        let debezium = TOPIC.replace("topic = \"e\"", "topic = \"e\"\nformat = \"debezium\"");
        assert!(problems(&debezium).contains("source.event: say which event"), "{}", problems(&debezium));
        let right = debezium.replace("format =", "event = \"merchants\"\nformat =");
        let settings = parse(Path::new("t.toml"), &right).expect("it is right");
        let Sources::Topics(topics) = &settings.sources else { panic!("a topic is a topic") };
        assert_eq!(topics[0].fields.format, Format::Debezium);
    }

    #[test]
    fn what_does_nothing_is_refused() {
        assert!(problems(&format!("{SMALLEST}[state]\nurl = \"file:x\"\n")).contains("over topics"));
        let text = SMALLEST.replace("stdin = true", "stdin = true\nkey = \"user\"\nstart = \"latest\"");
        assert!(problems(&text).contains("source.key") && problems(&text).contains("source.start"));
        let text = TOPIC.replace(
            "topic = \"x\"",
            "stdout = true\n[sink.desk.email]\nserver = \"file:m\"\nfrom = \"a@b.c\"\nto = \"a@b.c\"",
        );
        assert!(problems(&text).contains("sinks of a daemon over topics read the alerts topic"), "{}", problems(&text));
    }

    #[test]
    fn a_webhook_has_an_address_and_secrets_from_outside() {
        let read = |fields: &str| {
            parse(
                Path::new("t.toml"),
                &format!("{SMALLEST}[sink.soc.webhook]\nurl = \"https://a.example/x\"\n{fields}"),
            )
        };
        let path = std::env::var("PATH").expect("there is one");
        let all = "allow_private = true\ntimeout = \"3s\"\nmin_severity = \"high\"\nheaders = { Authorization = \
                   \"${env:PATH}\", X-Team = \"fraud\" }";
        let settings = read(all).expect("it is right");
        let SinkKind::Webhook(webhook) = &settings.sinks[0].kind else { panic!("a webhook is a webhook") };
        assert_eq!((webhook.timeout, webhook.allow_private), (Duration::from_secs(3), true));
        assert_eq!(settings.sinks[0].kind.min_severity(), Some(Severity::High));
        assert_eq!(webhook.headers.len(), 2);
        assert!(!format!("{settings:?}").contains(&path), "settings can be printed");
        for (wrong, said) in [
            ("secret = \"whsec_hunter2\"", "t.toml:9: sink.soc.webhook.secret: a secret does not stand"),
            ("secret = [\"${env:PATH}\"]", "secret does not begin with whsec_"),
            ("headers = { authorization = \"hunter2\" }", "sink.soc.webhook.headers: a secret does not stand"),
            ("headers = { host = \"b.example\" }", "\"host\", which is set by tripline"),
            ("timeout = \"1h\"", "timeout is 3600s: use 100 ms to 2 minutes"),
            ("ca_file = \"nowhere.pem\"", "nowhere.pem does not exist"),
            ("min_severity = \"bad\"", "write info, low, medium, high or critical"),
            ("secrets = \"x\"", "did you mean `secret`?"),
            ("[sink.soc.email]\nserver = \"file:m\"\nfrom = \"a@b.c\"\nto = \"a@b.c\"", "the one thing that it does"),
        ] {
            let problems = read(wrong).map(|_| ()).expect_err("it is wrong").to_string();
            assert!(problems.contains(said) && !problems.contains("hunter2"), "{said}: {problems}");
            assert!(!problems.contains(&path), "the environment is not repeated");
        }
        let inside = SMALLEST.to_owned() + "[sink.soc.webhook]\nurl = \"https://127.0.0.1/\"\n";
        assert!(problems(&inside).contains("allow_private"), "{}", problems(&inside));
    }

    #[test]
    fn a_file_of_alerts_is_set_aside_by_size_or_time() {
        let read = |fields: &str| parse(Path::new("src/t.toml"), &format!("{SMALLEST}[sink.log.file]\n{fields}"));
        let settings =
            read("path = \"a.ndjson\"\nrotate = \"100MiB\"\nevery = \"1d\"\nkeep = 10").expect("it is right");
        let SinkKind::File(file) = &settings.sinks[0].kind else { panic!("a file is a file") };
        let day = Duration::from_hours(24);
        let meant = FileSettings {
            rotate: Some(100 << 20),
            every: Some(day),
            keep: Some(10),
            ..FileSettings::new(Path::new("src").join("a.ndjson"))
        };
        assert_eq!(*file, meant);
        for (wrong, said) in [
            ("path = \"a\"\nrotate = \"big\"", "sink.log.file.rotate: `big` is not a size"),
            ("path = \"a\"\nevery = \"1s\"", "every is less than a minute"),
            ("path = \"a\"\nkeep = 3", "keep has no meaning"),
            ("path = \"a\"\nrotate = \"1MiB\"\nkeep = 0", "keep is out of range"),
            ("rotate = \"1MiB\"", "missing field `path`"),
        ] {
            let problems = read(wrong).map(|_| ()).expect_err("it is wrong").to_string();
            assert!(problems.contains(said), "{said}: {problems}");
        }
        let own = SMALLEST.replace("stdout = true", "file = \"a.ndjson\"") + "[sink.log.file]\npath = \"a.ndjson\"\n";
        assert!(problems(&own).contains("two writers"), "{}", problems(&own));
    }

    #[test]
    fn a_topic_of_alerts_is_of_this_broker_or_of_another_one() {
        let topic = |fields: &str| {
            let text = TOPIC.replace("[[source]]", "\"linger.ms\" = 7\n\"ssl.ca.location\" = \"ca\"\n[[source]]");
            let text = format!("{text}[sink.copy.kafka]\n{fields}");
            let settings = parse(Path::new("t.toml"), &text).map_err(|error| error.to_string())?;
            let SinkKind::Topic(topic) = &settings.sinks[0].kind else { panic!("a topic is a topic") };
            Ok::<_, String>(topic.clone())
        };
        let properties = |topic: TopicSettings| {
            let shown = topic.kafka.properties.iter().map(|(name, value)| format!("{name}={}", value.expose()));
            shown.collect::<Vec<_>>().join(" ")
        };
        let same = topic("topic = \"y\"\nmin_severity = \"high\"\n\"linger.ms\" = 9").expect("it is right");
        assert_eq!((same.topic.as_str(), same.min_severity), ("y", Some(Severity::High)));
        assert_eq!(properties(same), "bootstrap.servers=a:1 ssl.ca.location=ca linger.ms=9");
        let other = topic("topic = \"x\"\nbrokers = \"b:2\"\n\"security.protocol\" = \"SSL\"").expect("it is right");
        assert_eq!(properties(other), "bootstrap.servers=b:2 security.protocol=SSL");
        for (wrong, said) in [
            ("topic = \"x\"", "would come back to it"),
            ("topic = \"e\"", "would come back to it"),
            ("topic = \"t.dead-letters\"", "would come back to it"),
            ("topic = \"a b\"", "sink.copy.kafka.topic: `a b` is no topic name"),
            ("topic = 7", "sink.copy.kafka.topic: write a text"),
            ("brokers = \"b:2\"", "sink.copy.kafka.topic: name the topic"),
            ("topic = \"y\"\n\"acks\" = 1", "sink.copy.kafka.\"acks\": this property is set by tripline"),
            ("topic = \"y\"\nbrokrs = \"b:2\"", "did you mean `brokers`?"),
            ("topic = \"y\"\n\"sasl.password\" = \"hunter2\"", "a secret does not stand"),
        ] {
            let problems = topic(wrong).map(|_| ()).expect_err("it is wrong");
            assert!(problems.contains(said) && !problems.contains("hunter2"), "{said}: {problems}");
        }
        let nowhere = SMALLEST.to_owned() + "[sink.copy.kafka]\ntopic = \"y\"\n";
        assert!(problems(&nowhere).contains("name at least one broker"), "{}", problems(&nowhere));
    }

    #[test]
    fn a_table_of_alerts_has_a_database_and_a_password_from_outside() {
        let read = |fields: &str| {
            let text = format!("{SMALLEST}[sink.db.postgres]\n{fields}");
            parse(Path::new("src/t.toml"), &text)
        };
        let url = "url = \"postgres://t@db.example/fraud\"\n";
        let all = "table = \"fraud.alerts\"\npassword = \"${env:PATH}\"\ncreate = true\nbatch = 7\ntimeout = \"3s\"\n\
                   insecure_plaintext = true\nmin_severity = \"high\"";
        let settings = read(&format!("{url}{all}")).expect("it is right");
        let path = std::env::var("PATH").expect("there is one");
        assert!(!format!("{settings:?}").contains(&path), "settings can be printed");
        let SinkKind::Postgres(postgres) = &settings.sinks[0].kind else { panic!("a table is a table") };
        assert_eq!((postgres.table.as_str(), postgres.create, postgres.batch), ("fraud.alerts", true, 7));
        assert_eq!((postgres.timeout, postgres.insecure_plaintext), (Duration::from_secs(3), true));
        assert_eq!(postgres.password.as_ref().map(Secret::expose), Some(path.as_str()));
        assert_eq!(settings.sinks[0].kind.min_severity(), Some(Severity::High));
        let settings = read(&format!("{url}table = \"alerts\"")).expect("it is right");
        let SinkKind::Postgres(postgres) = &settings.sinks[0].kind else { panic!("a table is a table") };
        assert_eq!((postgres.create, postgres.batch, postgres.insecure_plaintext), (false, 500, false));
        for (wrong, said) in [
            (
                "url = \"postgres://t:hunter2@db.example/a\"\ntable = \"a\"",
                "t.toml:8: sink.db.postgres.url: a secret does not",
            ),
            ("url = \"t:hunter2@db.example/a\"\ntable = \"a\"", "sink.db.postgres.url: a secret does not"),
            (&format!("{url}table = \"a\"\npassword = \"hunter2\""), "sink.db.postgres.password: a secret does not"),
            (&format!("{url}table = \"a b\""), "t.toml:7: sink.db.postgres: table \"a b\" is no name of a table"),
            (&format!("{url}table = \"a\"\nbatch = 0"), "batch is 0: use 1 to 1000"),
            (&format!("{url}table = \"a\"\ntimeout = \"1h\""), "timeout is 3600s"),
            (&format!("{url}table = \"a\"\nca_file = \"nowhere.pem\""), "nowhere.pem does not exist"),
            (&format!("{url}table = \"a\"\nbatches = 7"), "did you mean `batch`?"),
            (&format!("{url}tabel = \"a\""), "did you mean `table`?"),
            (url, "missing field `table`"),
        ] {
            let problems = read(wrong).map(|_| ()).expect_err("it is wrong").to_string();
            assert!(problems.contains(said) && !problems.contains("hunter2"), "{said}: {problems}");
            assert!(!problems.contains(&path), "the environment is not repeated");
        }
    }

    #[test]
    fn a_secret_in_the_file_is_refused_and_not_repeated() {
        let text = TOPIC.replace("[[source]]", "\"sasl.password\" = \"hunter2\"\n[[source]]");
        assert!(problems(&text).contains("${env:NAME}") && !problems(&text).contains("hunter2"));
        let text = TOPIC.replace("[[source]]", "\"sasl.password\" = \"${env:PATH}\"\n[[source]]");
        let settings = parse(Path::new("t.toml"), &text).expect("it is right");
        let path = std::env::var("PATH").expect("there is one");
        assert!(!format!("{settings:?}").contains(&path), "settings can be printed");
    }
}
