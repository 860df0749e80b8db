//! How far back in time the rules look: what the retention of a source must be longer than, so that a daemon that is
//! started again can read its open state back.

use crate::program::{MeasureWindow, Program, Rule, Strategy, WindowRange};

impl Program {
    /// A bound on how old, in ms, an event can be that still decides an alert. Sessions without `at most` and windows over
    /// the last so many events have no such bound: their silence, or nothing, counts for them.
    ///
    /// Rules over rules add up, level by level, since an alert that is used may itself have begun long before.
    pub fn looks_back_ms(&self) -> i64 {
        let levels = self.rules.iter().map(|rule| rule.level).max().map_or(0, |top| usize::from(top) + 1);
        let mut by_level = vec![0_i64; levels];
        for rule in &self.rules {
            let longest = &mut by_level[usize::from(rule.level)];
            *longest = (*longest).max(of_rule(rule));
        }
        let windows = self.windows.iter().map(|window| match window.range {
            WindowRange::Duration(ms) => ms,
            WindowRange::Last(_) => 0,
        });
        let novelties = self.novelties.iter().map(|novelty| novelty.over_ms);
        let measures = self.measures.iter().map(|measure| of_window(measure.window));
        let read = windows.chain(novelties).chain(measures).max().unwrap_or(0);
        by_level.into_iter().fold(read, i64::saturating_add)
    }
}

fn of_rule(rule: &Rule) -> i64 {
    let matched = match &rule.strategy {
        Strategy::Session(session) => of_session(session.idle_ms, session.at_most_ms),
        Strategy::Held(held) => held.for_ms.saturating_add(held.gap_ms.unwrap_or(0)),
        Strategy::Filter | Strategy::SequenceNfa | Strategy::AllOf | Strategy::EachPair => {
            rule.within.map_or(0, |within| within.ms)
        }
    };
    let awaited = rule.absence.as_ref().map_or(0, |absence| absence.within_ms);
    let suppressed = rule.alert.at_most_once_ms.unwrap_or(0);
    matched.saturating_add(awaited).max(suppressed)
}

fn of_window(window: MeasureWindow) -> i64 {
    match window {
        MeasureWindow::Every { over_ms, .. } => over_ms,
        MeasureWindow::Last(_) => 0,
        MeasureWindow::Session { idle_ms, at_most_ms } => of_session(idle_ms, at_most_ms),
    }
}

fn of_session(idle_ms: i64, at_most_ms: Option<i64>) -> i64 {
    at_most_ms.unwrap_or(0).saturating_add(idle_ms)
}

#[cfg(test)]
mod tests {
    use crate::ruleset::RuleSet;

    fn looks_back(rules: &str) -> i64 {
        let events = "event login user_id text\nevent transfer user_id text, amount number\n";
        let set = RuleSet::from_texts([("test.rules".to_owned(), format!("{events}{rules}"))]);
        assert!(set.program().is_some(), "{:?}", set.checked.diagnostics);
        set.checked.program.looks_back_ms()
    }

    #[test]
    fn the_longest_memory_counts_and_what_is_awaited_comes_on_top() {
        assert_eq!(looks_back("rule r\n  for each user_id\n  on login\n  alert low\n"), 0);
        let silence = "rule r\n  for each user_id\n  on login\n  then transfer\n  then no login within 2 m\n  within 5 m\n  alert low\n";
        assert_eq!(looks_back(silence), 7 * 60_000);
        let window = "rule w\n  for each user_id\n  on transfer where sum(transfer.amount) over 1 h > 5\n  alert low\n";
        assert_eq!(looks_back(window), 3_600_000);
        let session = "rule s\n  for each user_id\n  on session s of login after 10 m idle at most 1 h where count(s) > 3\n  alert low\n";
        assert_eq!(looks_back(session), 70 * 60_000);
    }

    #[test]
    fn an_alert_that_is_used_began_before() {
        let two = "rule a\n  for each user_id\n  on login\n  then transfer\n  within 1 h\n  alert low\n\
                   rule b\n  for each user_id\n  on 2 a\n  within 3 h\n  alert low\n";
        assert_eq!(looks_back(two), 4 * 3_600_000);
    }
}
