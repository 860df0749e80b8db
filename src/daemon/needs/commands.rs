//! Needs as commands of Kafka's own tools, to be pasted into a shell. Every text of the configuration is quoted.

use crate::daemon::needs::{Cluster, Found, Must, Needs, Partitions, Resource, Right, Topic};

/// Kafka's own default.
const RETENTION_USUAL_MS: i64 = 7 * 86_400_000;

impl Needs {
    /// All commands, with comments: `kafka-topics.sh` for the topics and `kafka-acls.sh` for the rights. Each can be run
    /// again without harm. Where it is known what there is, topics that are there are left out.
    pub fn commands(&self, found: Option<&[Vec<Found>]>) -> String {
        let mut text = String::new();
        for (at, cluster) in self.clusters.iter().enumerate() {
            let found = found.and_then(|found| found.get(at));
            text.push_str(if at > 0 { "\n" } else { "" });
            text.push_str(&format!("# Kafka at {}\n", one_line(&cluster.brokers)));
            text.push_str("# Where it asks for a login, add to each: --command-config admin.properties\n\n");
            for (at, topic) in cluster.topics.iter().enumerate() {
                let text = &mut text;
                match found.and_then(|found| found.get(at)) {
                    None | Some(Found::Missing | Found::ToBeMade) => {
                        text.push_str(&format!("# {}{}\n{}\n", topic.role, notes(topic), cluster.create(topic, None)));
                    }
                    Some(found) => text.push_str(&format!("# {} {}: {found}\n", topic.role, topic.name)),
                }
            }
            text.push_str(&format!("\n# rights of {}\n", one_line(&cluster.principal)));
            for right in &cluster.rights {
                text.push_str(&format!("# {}\n{}\n", right.why, cluster.grant(right)));
            }
        }
        text
    }
}

/// What a person has to know of a topic before making it.
fn notes(topic: &Topic) -> String {
    let partitions = match &topic.partitions {
        Partitions::Any if topic.settings.is_empty() => {
            return "; its own settings are its readers' concern".to_owned();
        }
        Partitions::Any => "; add --partitions: any number".to_owned(),
        partitions => format!("; add --partitions: {partitions}"),
    };
    let own = if topic.made_here { "; the daemon makes it where it is missing" } else { "" };
    partitions + own
}

impl Cluster {
    /// The command that makes a topic, with so many partitions, or with the broker's own default.
    pub fn create(&self, topic: &Topic, partitions: Option<usize>) -> String {
        let mut words = vec![
            "kafka-topics.sh --bootstrap-server".to_owned(),
            quoted(&self.brokers),
            "--create --if-not-exists --topic".to_owned(),
            quoted(&topic.name),
        ];
        words.extend(partitions.map(|count| format!("--partitions {count}")));
        words.extend(topic.replication.map(|factor| format!("--replication-factor {factor}")));
        words.extend(topic.settings.iter().map(|setting| match setting.must {
            Must::Be(value) => format!("--config {}={value}", setting.name),
            // The least that the daemon needs is no reason to keep records for less time than is usual.
            Must::AtLeast(value) if setting.name == "retention.ms" => {
                format!("--config {}={}", setting.name, value.max(RETENTION_USUAL_MS))
            }
            Must::AtLeast(value) => format!("--config {}={value}", setting.name),
        }));
        words.join(" ")
    }

    /// The command that gives a right.
    pub fn grant(&self, right: &Right) -> String {
        let resource = match &right.resource {
            Resource::Topic { name } => format!("--topic {}", quoted(name)),
            Resource::Group { name } => format!("--group {}", quoted(name)),
            Resource::TransactionalId { name, prefixed: false } => format!("--transactional-id {}", quoted(name)),
            Resource::TransactionalId { name, prefixed: true } => {
                format!("--transactional-id {} --resource-pattern-type prefixed", quoted(name))
            }
            Resource::Cluster => "--cluster".to_owned(),
        };
        let operations: Vec<String> =
            right.operations.iter().map(|operation| format!("--operation {operation}")).collect();
        format!(
            "kafka-acls.sh --bootstrap-server {} --add --allow-principal {} {} {resource}",
            quoted(&self.brokers),
            quoted(&self.principal),
            operations.join(" ")
        )
    }
}

/// A text as one word of a shell.
fn quoted(text: &str) -> String {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':' | ',' | '/' | '=');
    if !text.is_empty() && text.chars().all(plain) {
        return text.to_owned();
    }
    format!("'{}'", text.replace('\'', r"'\''"))
}

/// A text in a comment: a line break would end it.
fn one_line(text: &str) -> String {
    text.replace(char::is_control, " ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_one_word_whatever_is_in_it() {
        assert_eq!(quoted("a.b-c:9092,d:1"), "a.b-c:9092,d:1");
        assert_eq!(quoted("User:o'neil $(rm x)"), r"'User:o'\''neil $(rm x)'");
        assert_eq!(quoted(""), "''");
        assert_eq!(one_line("a\nb"), "a b");
    }
}
