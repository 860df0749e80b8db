//! `topics`: what the daemon needs of Kafka, for whoever administers it.

use std::path::PathBuf;

use clap::{Args, ValueEnum};
use serde_json::json;

use crate::cli::{Exit, config, output, rules};
use crate::daemon::{self, Cluster, Found, Needs, Resource, Right};

/// Print the topics and rights that the daemon needs of Kafka
#[derive(Debug, Args)]
#[command(after_help = "Without --check no broker is asked.\n\n\
                        Exit codes: 0 fine; 1 with --check, a topic is missing or not as it must be; 2 bad rules; 3 bad \
                        configuration, or no answer.")]
pub(super) struct Arguments {
    /// The configuration
    #[arg(short, long, value_name = "FILE", default_value = "tripline.toml")]
    config: PathBuf,
    /// How they are written
    #[arg(long, value_enum, default_value_t = Style::Text)]
    format: Style,
    /// Who the daemon is to the broker, such as User:fraud; by default the login of the configuration
    #[arg(long, value_name = "NAME")]
    principal: Option<String>,
    /// Ask the broker which topics are there and whether they are as they must be; nothing is changed
    #[arg(long)]
    check: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum Style {
    /// Tables, for people
    Text,
    /// Commands of Kafka's own tools, to be pasted
    Commands,
    /// One JSON object
    Json,
}

pub(super) fn run(arguments: &Arguments) -> anyhow::Result<Exit> {
    let Some(settings) = config::load(&arguments.config) else { return Ok(Exit::BadInput) };
    let Some(set) = rules::load(&settings.rules)? else { return Ok(Exit::BadRules) };
    let mut needs = Needs::of(&settings, &set.checked.program);
    if let Some(principal) = &arguments.principal {
        needs = needs.as_principal(principal);
    }
    let found = if arguments.check { Some(daemon::compare(&settings, &needs)?) } else { None };
    let text = match arguments.format {
        Style::Text => tables(&needs, found.as_deref()),
        Style::Commands => needs.commands(found.as_deref()),
        Style::Json => json(&needs, found.as_deref())?,
    };
    output::print(&text)?;
    if needs.clusters.is_empty() {
        output::complain(format_args!("no topic is read or written: everything is a file"));
    }
    let all_good = found.iter().flatten().flatten().all(Found::is_good);
    Ok(if all_good { Exit::Fine } else { Exit::Findings })
}

fn json(needs: &Needs, found: Option<&[Vec<Found>]>) -> anyhow::Result<String> {
    let mut value = serde_json::to_value(needs)?;
    for (cluster, found) in found.unwrap_or_default().iter().enumerate() {
        for (topic, found) in found.iter().enumerate() {
            value["clusters"][cluster]["topics"][topic]["found"] =
                json!({ "good": found.is_good(), "text": found.to_string() });
        }
    }
    Ok(serde_json::to_string_pretty(&value)? + "\n")
}

fn tables(needs: &Needs, found: Option<&[Vec<Found>]>) -> String {
    let mut text = String::new();
    for (at, cluster) in needs.clusters.iter().enumerate() {
        let found = found.and_then(|found| found.get(at)).map(Vec::as_slice);
        if at > 0 {
            text.push('\n');
        }
        text.push_str(&format!("Kafka at {}, as {}\n\n", cluster.brokers, cluster.principal));
        text.push_str(&table(&topic_rows(cluster, found)));
        text.push('\n');
        text.push_str(&table(&right_rows(cluster)));
    }
    text
}

fn topic_rows(cluster: &Cluster, found: Option<&[Found]>) -> Vec<Vec<String>> {
    let mut head = vec!["TOPIC", "FOR", "MADE BY", "PARTITIONS", "REPLICATION", "MUST BE"];
    head.extend(found.map(|_| "FOUND"));
    let mut rows = vec![head.into_iter().map(ToOwned::to_owned).collect()];
    for (at, topic) in cluster.topics.iter().enumerate() {
        let settings: Vec<String> = topic.settings.iter().map(ToString::to_string).collect();
        let mut row = vec![
            topic.name.clone(),
            topic.role.to_string(),
            if topic.made_here { "tripline" } else { "others" }.to_owned(),
            topic.partitions.to_string(),
            topic.replication.map_or_else(|| "default".to_owned(), |factor| factor.to_string()),
            if settings.is_empty() { "-".to_owned() } else { settings.join(" ") },
        ];
        row.extend(found.and_then(|found| found.get(at)).map(ToString::to_string));
        rows.push(row);
    }
    rows
}

fn right_rows(cluster: &Cluster) -> Vec<Vec<String>> {
    let head = ["RIGHT TO", "NAME", "OPERATIONS", "FOR"].map(ToOwned::to_owned).to_vec();
    let row = |right: &Right| {
        let (what, name) = match &right.resource {
            Resource::Topic { name } => ("topic", name.clone()),
            Resource::Group { name } => ("group", name.clone()),
            Resource::TransactionalId { name, prefixed: false } => ("transactional id", name.clone()),
            Resource::TransactionalId { name, prefixed: true } => ("transactional id", format!("{name}*")),
            Resource::Cluster => ("cluster", "-".to_owned()),
        };
        vec![what.to_owned(), name, right.operations.join(" "), right.why.clone()]
    };
    std::iter::once(head).chain(cluster.rights.iter().map(row)).collect()
}

/// Columns as wide as their widest text, two spaces apart; the last one is as long as it is.
fn table(rows: &[Vec<String>]) -> String {
    let columns = rows.iter().map(Vec::len).max().unwrap_or(0);
    let width = |column: usize| rows.iter().filter_map(|row| row.get(column)).map(|cell| cell.chars().count()).max();
    let widths: Vec<usize> = (0..columns).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    for row in rows {
        let cells: Vec<String> = row.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}")).collect();
        text.push_str(cells.join("  ").trim_end());
        text.push('\n');
    }
    text
}
