//! `demo`: all of it in one process. The stage is set in `demo`; here it is shown.

use std::fmt::Write;
use std::io;
use std::time::{Duration, Instant};

use clap::Args;

use crate::alert::AlertRecord;
use crate::cli::{Exit, output};
use crate::demo::{Received, STORIES, Stage, Verdict};

/// Watch it work: broker, daemon, events with planted frauds, alerts and mails, all in this process
///
/// A shop's customers log in, fill carts and buy; among them are seven frauds, and five things that look like fraud
/// and are none. The daemon is the one that `tripline run` starts, over a Kafka broker that lives in this process
/// (librdkafka's mock). Alerts are shown as they come: what happened, to whom, and the events that prove it. At the
/// end what was found is set against what was planted.
///
/// Nothing has to be installed or started, nothing leaves this computer, and it ends by itself in under a minute.
/// Rules, configuration, events, log and mails stay in a folder that is named at the end.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Arguments {
    /// How long events come; starting and stopping takes about five seconds more
    #[arg(long, value_name = "N", default_value_t = 26, value_parser = clap::value_parser!(u64).range(Stage::SECONDS_MIN..=3_600))]
    seconds: u64,
    /// Go on with new customers until ctrl-c, so that topics and metrics can be looked at
    #[arg(long)]
    keep: bool,
}

const AFTER_HELP: &str = "\
Examples:
  tripline demo                 half a minute, then a summary
  tripline demo --keep          the same without end; it prints the broker's address for
                                `kcat -b ADDRESS -t fraud-alerts` and the metrics' for curl

Exit codes: 0 every planted fraud was found, and nothing else; 1 not so; 3 it could not run.";

const POLL: Duration = Duration::from_millis(50);
/// How long the last alerts may take after the last event.
const ALERTS_TIMEOUT: Duration = Duration::from_secs(10);
/// How long is waited for alerts that should not come.
const SILENCE: Duration = Duration::from_millis(700);
const MAILS_TIMEOUT: Duration = Duration::from_secs(10);

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let mut show = Show { paint: Paint(output::color(&io::stdout())), verdict: Verdict::default(), mails: 0 };
    output::print(&show.welcome(arguments))?;
    let mut stage = Stage::set()?;
    output::print(&Show::ready(&stage))?;
    let began = Instant::now();
    stage.play(arguments.seconds, arguments.keep)?;
    show.first_round(&mut stage)?;
    let stopped = stage.is_stopping();
    show.wait_for_mails(&stage);
    output::print(&show.summary(&stage, began.elapsed(), stopped))?;
    let exit = if show.verdict.is_good() { Exit::Fine } else { Exit::Findings };
    if arguments.keep && !stopped {
        output::print(&show.kept(&stage))?;
        show.further_rounds(&mut stage)?;
    }
    stage.end()?;
    Ok(exit)
}

/// What is on the screen.
struct Show {
    paint: Paint,
    verdict: Verdict,
    /// How many mails there must be.
    mails: usize,
}

impl Show {
    /// Until every planted fraud is found and nothing else comes, or until it is stopped.
    fn first_round(&mut self, stage: &mut Stage) -> anyhow::Result<()> {
        let mut over: Option<Instant> = None;
        while !stage.is_stopping() {
            self.next(stage)?;
            if stage.counts().rounds == 0 {
                continue;
            }
            let since = over.get_or_insert_with(Instant::now).elapsed();
            if since > ALERTS_TIMEOUT || (since > SILENCE && self.verdict.is_complete()) {
                break;
            }
        }
        Ok(())
    }

    fn further_rounds(&mut self, stage: &mut Stage) -> anyhow::Result<()> {
        while !stage.is_stopping() {
            self.next(stage)?;
        }
        let counts = stage.counts();
        output::print(&format!("\nStopped after {} events and {} alerts.\n", counts.events, self.verdict.alerts()))?;
        Ok(())
    }

    fn next(&mut self, stage: &mut Stage) -> anyhow::Result<()> {
        let Some(Received { record, delay_ms }) = stage.next(POLL)? else { return Ok(()) };
        if self.verdict.take(&record, delay_ms) {
            self.mails += usize::from(stage.is_mailed(&record));
            let description = stage.rules().iter().find(|(name, _)| *name == record.rule);
            output::print(&self.alert(&record, description.map_or("", |(_, text)| text), delay_ms))?;
        }
        Ok(())
    }

    fn wait_for_mails(&self, stage: &Stage) {
        let until = Instant::now() + MAILS_TIMEOUT;
        while stage.mails().len() < self.mails && Instant::now() < until && !stage.is_stopping() {
            std::thread::sleep(POLL);
        }
    }

    fn welcome(&self, arguments: &Arguments) -> String {
        let frauds = STORIES.iter().filter(|story| story.rule.is_some()).count();
        format!(
            "{}\n{} seconds in the life of a shop, with {frauds} frauds and {} things that only look like one.\n\
             A broker and the daemon start, which takes about three seconds.\n\n",
            self.paint.bold("tripline demo"),
            arguments.seconds,
            STORIES.len() - frauds,
        )
    }

    fn ready(stage: &Stage) -> String {
        let [events, alerts] = stage.topics();
        let mut text = String::new();
        let mut line = |name: &str, value: &str| line(&mut text, format_args!("  {name:<9}{value}"));
        line("broker", &format!("{}, in this process: topics {events} and {alerts}", stage.brokers()));
        if let Some(url) = stage.metrics_url() {
            line("metrics", &url);
        }
        line("folder", &stage.folder().display().to_string());
        for (at, (name, description)) in stage.rules().iter().enumerate() {
            line(if at == 0 { "rules" } else { "" }, &format!("{name:<20}{description}"));
        }
        text + "\nAlerts as they come:\n"
    }

    /// What happened, to whom, and why.
    fn alert(&self, record: &AlertRecord, description: &str, delay_ms: i64) -> String {
        let mut text = String::new();
        let severity = self.paint.severity(&record.severity);
        let about: Vec<String> = record.key.iter().map(|(name, value)| format!("{name} {}", plain(value))).collect();
        line(&mut text, format_args!(""));
        line(
            &mut text,
            format_args!(
                "{} {severity} {}  {}",
                clock(&record.time),
                self.paint.bold(&record.rule),
                self.paint.dim(&format!("{description} ({}; after {delay_ms} ms)", about.join(", "))),
            ),
        );
        line(&mut text, format_args!("             {}", record.message));
        for event in &record.events {
            // What all events of an alert have in common is its key, which stands above.
            let fields = event.fields.iter().filter(|(name, _)| !record.key.contains_key(*name));
            let fields = fields.map(|(name, value)| format!("{name} {}", plain(value)));
            let fields = fields.collect::<Vec<_>>().join(", ");
            let id = event.id.as_deref().unwrap_or_default();
            line(
                &mut text,
                format_args!(
                    "             {}  {:<16}{fields}  {}",
                    clock(&event.time),
                    event.event_type,
                    self.paint.dim(id)
                ),
            );
        }
        text
    }

    fn summary(&self, stage: &Stage, took: Duration, stopped: bool) -> String {
        let mut text = String::new();
        let counts = stage.counts();
        let title = if stopped { "Summary (stopped before the end)" } else { "Summary" };
        line(&mut text, format_args!("\n{}", self.paint.bold(title)));
        line(
            &mut text,
            format_args!(
                "  {} events in {:.0} s, {} of them planted",
                counts.events,
                took.as_secs_f64(),
                counts.planted
            ),
        );
        let by_rule: Vec<String> = self.verdict.by_rule.iter().map(|(rule, count)| format!("{rule} {count}")).collect();
        line(&mut text, format_args!("  {} alerts: {}", self.verdict.alerts(), by_rule.join(", ")));
        if let Some((median, longest)) = self.verdict.delays() {
            line(
                &mut text,
                format_args!(
                    "  {median} ms from the moment an alert is true to its arrival by the alerts topic (median; longest {longest} ms)"
                ),
            );
        }
        line(&mut text, format_args!("\n{}", self.paint.bold("Planted, and found?")));
        for story in &STORIES {
            let (good, bad, rule) = match story.rule {
                Some(rule) => ("found", "MISSED", rule),
                None => ("silent", "ALERTED", "no alert"),
            };
            let right = self.verdict.is_right(story);
            let word = self.paint.verdict(if right { good } else { bad }, right);
            line(&mut text, format_args!("  {word} {rule:<20}{} {}", story.user, story.what));
        }
        self.unexpected(&mut text);
        self.go_on(stage, &mut text);
        text
    }

    fn unexpected(&self, text: &mut String) {
        let unexpected = self.verdict.unexpected();
        if unexpected.is_empty() {
            line(text, format_args!("  No alert about anybody else."));
        }
        for (rule, user) in unexpected {
            line(text, format_args!("  {} {rule} about {user}", self.paint.verdict("UNEXPECTED", false)));
        }
        if self.verdict.repeats() > 0 {
            line(
                text,
                format_args!("  {} alerts came twice and were dropped by their alert_id.", self.verdict.repeats()),
            );
        }
    }

    fn go_on(&self, stage: &Stage, text: &mut String) {
        let folder = stage.folder().display();
        let program = std::env::args().next().unwrap_or_else(|| "tripline".to_owned());
        line(text, format_args!("\n{}", self.paint.bold("To look at")));
        line(text, format_args!("  {folder}"));
        line(text, format_args!("    demo.rules, tripline.toml, events.ndjson, daemon.log"));
        line(text, format_args!("    mails/  {} mails about alerts of severity high and above", stage.mails().len()));
        line(text, format_args!("\n{}", self.paint.bold("To go on")));
        line(text, format_args!("  {program} test {folder}/demo.rules"));
        line(
            text,
            format_args!(
                "  {program} replay --rules {folder}/demo.rules {folder}/events.ndjson   # the same alert_ids"
            ),
        );
        line(text, format_args!("  README.md: \"Write a rule\", \"Point it at your topic\""));
    }

    fn kept(&self, stage: &Stage) -> String {
        let mut text = String::new();
        let [_, alerts] = stage.topics();
        line(&mut text, format_args!("\n{}", self.paint.bold("It goes on; ctrl-c ends it.")));
        line(&mut text, format_args!("  kcat -b {} -t {alerts}", stage.brokers()));
        if let Some(url) = stage.metrics_url() {
            line(&mut text, format_args!("  curl {url}"));
        }
        text
    }
}

fn line(text: &mut String, line: std::fmt::Arguments<'_>) {
    writeln!(text, "{line}").expect("a String takes all that is written");
}

/// The time of day with ms, in UTC as alerts have it.
fn clock(rfc3339: &str) -> &str {
    rfc3339.get(11..23).unwrap_or(rfc3339)
}

/// A JSON value without quotes.
fn plain(value: &serde_json::Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), ToOwned::to_owned)
}

/// Colours, where the screen has them. Texts are padded before they are painted.
#[derive(Clone, Copy)]
struct Paint(bool);

impl Paint {
    fn with(self, code: &str, text: &str) -> String {
        if self.0 { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn bold(self, text: &str) -> String {
        self.with("1", text)
    }

    fn dim(self, text: &str) -> String {
        self.with("2", text)
    }

    fn severity(self, severity: &str) -> String {
        let code = match severity {
            "critical" => "1;97;41",
            "high" => "1;31",
            "medium" => "1;33",
            _ => "36",
        };
        self.with(code, &format!("{severity:<8}"))
    }

    fn verdict(self, word: &str, good: bool) -> String {
        self.with(if good { "32" } else { "1;31" }, &format!("{word:<8}"))
    }
}
