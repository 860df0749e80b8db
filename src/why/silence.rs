//! The answer where there is no alert: how far it got, what stopped it, and what would have fired.

use crate::alert::{Alert, render_value};
use crate::diagnostic::closest;
use crate::engine::{Ended, Judged, PastRun, Place};
use crate::event::{Key, Position};
use crate::program::{Held, Rule, Session, StepId, Strategy};
use crate::why::Outcome;
use crate::why::asked::{words, written};
use crate::why::fired::lasted_ms;
use crate::why::gathered::Gathered;
use crate::why::names::{Names, alert_time, conditions, label, plural};
use crate::why::search::{self, Suggestion};
use crate::why::shown;
use crate::why::target::Target;
use crate::why::trial::SECOND_MS;

pub(super) struct Silence<'a> {
    pub(super) names: Names<'a>,
    pub(super) rule: &'a Rule,
    pub(super) target: &'a Target,
    pub(super) gathered: &'a Gathered,
    pub(super) outcome: &'a Outcome,
    pub(super) at_ms: Option<i64>,
}

/// So many events of a run are shown, the last ones.
const EVENTS_SHOWN: usize = 8;
/// So many other alerts are listed.
const ALERTS_SHOWN: usize = 10;

impl Silence<'_> {
    pub(super) fn tell(&self, suggestions: &[Suggestion]) -> String {
        let key = self.names.key(self.rule, &self.gathered.key);
        let at = self
            .at_ms
            .map_or_else(String::new, |at_ms| format!(" at {} ({})", Names::time(at_ms), self.names.since(at_ms)));
        let mut text = format!("{} did not fire for {key}{at}\n", self.rule.name);
        if let Some(first_ms) = self.gathered.first_ms {
            text.push_str(&format!("  times are since the first event, {}\n", Names::time(first_ms)));
        }
        text.push_str(&self.elsewhere());
        text.push_str(&self.events());
        text.push('\n');
        let judged = self.judged();
        if self.gathered.of_key.is_empty() && judged.is_empty() {
            return text + &self.unseen();
        }
        text.push_str(&match &self.rule.strategy {
            Strategy::SequenceNfa | Strategy::AllOf => self.runs(&judged),
            Strategy::Held(held) => self.streak(*held, &judged),
            Strategy::Session(session) => self.session(session, &judged),
            Strategy::EachPair => self.pair(&judged),
            Strategy::Filter => self.nearest(judged.into_iter(), "the nearest event is"),
        });
        text.push_str(&self.changes(suggestions));
        text
    }

    /// What was judged, up to the time that was asked for where there is one.
    fn judged(&self) -> Vec<&Judged> {
        let of_run = |one: &&Judged| !matches!(one.place, Place::Unless(_) | Place::Absence);
        self.outcome.judged.iter().filter(of_run).collect()
    }

    /// Alerts of the key at other times.
    fn elsewhere(&self) -> String {
        let alerts = &self.outcome.alerts;
        let lines = alerts.iter().take(ALERTS_SHOWN).map(|alert| format!("    {}\n", alert_time(&self.names, alert)));
        let head = if alerts.is_empty() { "" } else { "  it fired at other times:\n" };
        let more = alerts.len().saturating_sub(ALERTS_SHOWN);
        let more = if more > 0 { format!("    … {more} more\n") } else { String::new() };
        let held_back = match self.outcome.suppressed {
            0 => String::new(),
            n => format!("  {} held back by `at most once per`\n", plural(n, "alert")),
        };
        format!("{head}{}{more}{held_back}", lines.collect::<String>())
    }

    /// What came of the types that the rule names.
    fn events(&self) -> String {
        let of_key = &self.gathered.of_key;
        let mut text = String::new();
        if !of_key.is_empty() {
            let counts: Vec<String> = of_key.iter().map(|(name, count)| format!("{count} {name}")).collect();
            text.push_str(&format!("  events of this key: {}\n", counts.join(", ")));
        }
        if self.gathered.without_key > 0 {
            let parts = self.names.program.keys[self.rule.key.index()].parts.join(", ");
            let events = plural(self.gathered.without_key, "event");
            text.push_str(&format!("  not seen by the rule: {events} without {parts}\n"));
        }
        text
    }

    /// No event of the key.
    fn unseen(&self) -> String {
        let own = self.gathered.key.parts();
        if own.is_empty() || self.gathered.other_keys.is_empty() {
            return "no event of the rule's types came\n".to_owned();
        }
        let text_of = |key: &Key| key.parts().iter().map(render_value).collect::<Vec<_>>().join(",");
        let known: Vec<String> = self.gathered.other_keys.iter().map(text_of).collect();
        let typed = text_of(&self.gathered.key);
        let nearest = closest(&typed, known.iter().map(String::as_str));
        let nearest = nearest.map_or_else(
            || format!("there are {}, such as `{}`", plural(known.len() as u64, "other key"), known[0]),
            |nearest| format!("did you mean `{nearest}`?"),
        );
        format!("no event of the rule's types has this key: {nearest}\n")
    }

    // Runs.

    fn runs(&self, judged: &[&Judged]) -> String {
        let mut text = String::new();
        let Some(run) = self.furthest(judged) else {
            text.push_str("no run began\n");
            let starts = judged.iter().filter(|one| one.run.is_none()).copied();
            text.push_str(&self.nearest(starts, "the event that came nearest to the first step is"));
            return text;
        };
        text.push_str("the furthest run took\n");
        text.push_str(&self.taken(run, judged));
        text.push_str(&format!("  {}\n", self.waited(run)));
        text.push_str(&format!("  {}\n", self.ended(run)));
        text.push_str(&self.stopper(run));
        let due = |one: &&Judged| one.run == Some(run.first) && !is_taken(one);
        let due: Vec<&Judged> = judged.iter().copied().filter(due).collect();
        if let Some(late) = due.iter().find(|one| one.late && one.fits) {
            let after = words(late.event.time_ms.saturating_sub(run.start_ms));
            let event = self.names.event(&late.event);
            text.push_str(&format!("  it would have taken {event}, {after} after its first event\n"));
            text.push_str(&conditions(self.target, late, 6));
        } else {
            text.push_str(&self.nearest(due.into_iter(), "  the event that came nearest to what it waited for is"));
        }
        text
    }

    /// The run that got furthest, of those that were open at the time that was asked for if there are any; of several
    /// the one that came nearest to its next step, and of these the last.
    fn furthest(&self, judged: &[&Judged]) -> Option<&PastRun> {
        let slots = matches!(self.rule.strategy, Strategy::AllOf);
        let of_run = |run: &PastRun| {
            let first = Some(run.first);
            judged.iter().filter(move |one| one.run == first)
        };
        let bound = |run: &PastRun| if slots { of_run(run).filter(|one| is_taken(one)).count() } else { 0 };
        let open = |run: &PastRun| {
            let at = |at_ms: i64| run.start_ms <= at_ms.saturating_add(SECOND_MS) && at_ms <= run.ends_ms;
            self.at_ms.is_none_or(at)
        };
        // What ended a run says more than that nothing came, and what came too late more than what did not fit.
        let nearness = |run: &PastRun| {
            let of_due = of_run(run).filter(|one| !is_taken(one));
            let due = of_due.map(|one| if one.fits { isize::MAX } else { -self.failing(one) }).max();
            let stopped = !matches!(run.ended, Ended::Expired | Ended::StillOpen | Ended::UsedUp);
            if stopped { isize::MAX } else { due.unwrap_or(isize::MIN) }
        };
        let rank = |run: &&PastRun| (open(run), run.step, run.taken, bound(run), nearness(run), run.first);
        self.outcome.unfinished.iter().max_by_key(rank)
    }

    /// How far the values of the parts that do not hold lie from their thresholds.
    fn distance(&self, one: &Judged) -> f64 {
        let leaves = shown::parts(self.target, one).into_iter().filter(|part| !part.holds());
        leaves.flat_map(|part| part.leaves()).filter_map(|leaf| search::distance(&leaf)).sum()
    }

    /// How many parts of a condition do not hold.
    fn failing(&self, one: &Judged) -> isize {
        let failing = shown::parts(self.target, one).iter().filter(|part| !part.holds()).count();
        isize::try_from(failing).unwrap_or(isize::MAX)
    }

    /// The events that a run took, each with its conditions.
    fn taken(&self, run: &PastRun, judged: &[&Judged]) -> String {
        let of_run = |one: &&&Judged| match one.run {
            None => one.event.arrival == run.first && is_taken(one),
            Some(first) => first == run.first && is_taken(one),
        };
        let taken: Vec<&Judged> = judged.iter().filter(of_run).copied().collect();
        let hidden = taken.len().saturating_sub(EVENTS_SHOWN);
        let mut text = String::new();
        if hidden > 0 {
            text.push_str(&format!("  … {} before\n", plural(hidden as u64, "event")));
        }
        for one in &taken[hidden..] {
            let Place::Step(step) = one.place else { continue };
            let columns = self.names.columns(&one.event, &label(&self.rule.steps[step.index()]));
            text.push_str(&format!("  {}\n", columns.join("  ")));
            text.push_str(&conditions(self.target, one, 6));
        }
        text
    }

    fn waited(&self, run: &PastRun) -> String {
        let steps = self.rule.steps.len();
        if matches!(self.rule.strategy, Strategy::AllOf) {
            return format!("and waited for the rest of its {steps} slots");
        }
        match self.rule.steps.get(run.step.index()) {
            None => "and waited for its `then no`".to_owned(),
            Some(step) => {
                let so_far =
                    if step.is_repeated() { format!(", with {} of {}", run.taken, step.count) } else { String::new() };
                format!(
                    "and waited in step {} of {steps}, {}{so_far}",
                    run.step.0 + 1,
                    self.names.step(self.rule, run.step)
                )
            }
        }
    }

    fn ended(&self, run: &PastRun) -> String {
        match run.ended {
            Ended::Expired => {
                let within =
                    self.rule.within.map_or_else(String::new, |within| format!("within {}", written(within.ms)));
                format!("until `{within}` had passed, at {}", self.names.since(run.ends_ms))
            }
            Ended::Unless(at) => format!("until `unless` ended it: {}", self.event_at(at)),
            Ended::MissedNext(at) => format!("until the very next event did not fit: {}", self.event_at(at)),
            Ended::Cancelled(at) => format!("until what must not come came: {}", self.event_at(at)),
            Ended::Dropped => {
                "until it was dropped for a newer run: as many were open as may be, see the limits".to_owned()
            }
            Ended::UsedUp => "until another run of its key completed: the rule has no `every`".to_owned(),
            Ended::StillOpen if run.ends_ms < i64::MAX && run.step.index() >= self.rule.steps.len() => {
                format!("until the events ended; it would have fired at {}", self.names.since(run.ends_ms))
            }
            Ended::StillOpen | Ended::Completed => "until the events ended".to_owned(),
        }
    }

    /// The conditions of the event that ended a run.
    fn stopper(&self, run: &PastRun) -> String {
        let place = |one: &Judged| match run.ended {
            Ended::Unless(at) => matches!(one.place, Place::Unless(_)) && one.event.position == at,
            Ended::Cancelled(at) => one.place == Place::Absence && one.event.position == at,
            _ => false,
        };
        let stopper = self.outcome.judged.iter().find(|one| one.run == Some(run.first) && one.fits && place(one));
        stopper.map_or_else(String::new, |one| conditions(self.target, one, 6))
    }

    fn event_at(&self, position: Position) -> String {
        let seen = self.outcome.judged.iter().find(|one| one.event.position == position);
        seen.map_or_else(|| self.names.place(position), |one| self.names.event(&one.event))
    }

    // The rest.

    /// Of judgements that failed the one with the fewest parts that did; of several the first.
    fn nearest<'j>(&self, judged: impl Iterator<Item = &'j Judged>, what: &str) -> String {
        let Some(one) = self.nearest_of(judged) else { return String::new() };
        let indent = what.len() - what.trim_start().len();
        let text = format!("{what} {}\n", self.names.event(&one.event));
        text + &conditions(self.target, one, indent + 4)
    }

    fn nearest_of<'j>(&self, judged: impl Iterator<Item = &'j Judged>) -> Option<&'j Judged> {
        let failed: Vec<&Judged> = judged.filter(|one| !one.fits).collect();
        let fewest = failed.iter().map(|one| self.failing(one)).min()?;
        let failed = failed.into_iter().filter(|one| self.failing(one) == fewest);
        // Of several that in which a value lies nearest to its threshold; of equals the first.
        failed.min_by(|a, b| self.distance(a).total_cmp(&self.distance(b)))
    }

    fn streak(&self, held: Held, judged: &[&Judged]) -> String {
        let mut longest: Option<(i64, i64)> = None;
        let mut open: Option<(i64, i64)> = None;
        let mut breaker: Option<&Judged> = None;
        let length = |streak: Option<(i64, i64)>| streak.map_or(-1, |(from, to)| to - from);
        for one in judged {
            let now_ms = one.event.time_ms;
            let silent = |(_, last): &(i64, i64)| held.gap_ms.is_some_and(|gap_ms| now_ms - last > gap_ms);
            if !one.fits || open.as_ref().is_some_and(silent) {
                if length(open) >= 0 && open == longest {
                    breaker = Some(one);
                }
                open = None;
            }
            if one.fits {
                open = Some((open.map_or(now_ms, |(from, _)| from), now_ms));
                if length(open) > length(longest) {
                    (longest, breaker) = (open, None);
                }
            }
        }
        let Some((from, to)) = longest else {
            return self.nearest(judged.iter().copied(), "the condition never held; the event that came nearest is");
        };
        let (since, until) = (self.names.since(from), self.names.since(to));
        let held_for = words(to.saturating_sub(from));
        let needed = written(held.for_ms);
        let mut text =
            format!("the condition held for {held_for} at most, from {since} to {until}; it must hold for {needed}\n");
        match breaker {
            Some(one) if !one.fits => {
                text.push_str(&format!("it ended with {}\n", self.names.event(&one.event)));
                text.push_str(&conditions(self.target, one, 4));
            }
            Some(one) => {
                let gap = words(one.event.time_ms.saturating_sub(to));
                text.push_str(&format!(
                    "it ended because the next event came only {gap} later, {}\n",
                    self.names.event(&one.event)
                ));
            }
            None => text.push_str("then the events ended\n"),
        }
        text
    }

    fn session(&self, session: &Session, judged: &[&Judged]) -> String {
        let closes: Vec<&Judged> = judged.iter().copied().filter(|one| one.place == Place::Close).collect();
        let mut text = String::new();
        if let Some(one) = self.nearest_of(closes.iter().copied()) {
            let number = plural(closes.len() as u64, "session");
            let first = judged.iter().find(|other| Some(other.event.arrival) == one.run);
            let from =
                first.map_or_else(String::new, |first| format!("from {} ", self.names.since(first.event.time_ms)));
            text.push_str(&format!(
                "{number} closed; the nearest lasted {from}to {}\n",
                self.names.since(one.event.time_ms)
            ));
            text.push_str(&conditions(self.target, one, 4));
        }
        let last = judged.iter().rfind(|one| one.place != Place::Close && one.fits);
        let closed = |one: &Judged| closes.iter().any(|close| close.event.arrival == one.event.arrival);
        if let Some(last) = last.filter(|last| !closed(last)) {
            let until = self.names.since(last.event.time_ms.saturating_add(session.idle_ms));
            text.push_str(&format!(
                "a session is still open when the events end; it closes at {until} at the latest\n"
            ));
        }
        text
    }

    fn pair(&self, judged: &[&Judged]) -> String {
        if let Some(one) = self.nearest_of(judged.iter().copied().filter(|one| one.run.is_some())) {
            let partner = one.run.and_then(|run| judged.iter().find(|other| other.event.arrival == run));
            let partner = partner.map_or_else(String::new, |partner| self.names.event(&partner.event));
            let event = self.names.event(&one.event);
            return format!("the nearest pair is {partner} and {event}\n") + &conditions(self.target, one, 4);
        }
        let side = |side: u8| judged.iter().filter(move |one| one.place == Place::Step(StepId(side)) && one.fits);
        let apart = side(0).flat_map(|x| side(1).map(move |y| (x, y)));
        let apart = apart.filter(|(x, y)| x.event.arrival != y.event.arrival);
        let nearest = apart.min_by_key(|(x, y)| (y.event.time_ms - x.event.time_ms).abs());
        let Some((x, y)) = nearest else {
            return self
                .nearest(judged.iter().copied(), "one side has no event that fits; the one that came nearest is");
        };
        let within = self.rule.within.map_or_else(String::new, |within| written(within.ms));
        format!(
            "the nearest two are {} apart, and at most {within} is allowed: {}, {}\n",
            words((y.event.time_ms - x.event.time_ms).abs()),
            self.names.event(&x.event),
            self.names.event(&y.event),
        )
    }

    /// What would have fired.
    fn changes(&self, suggestions: &[Suggestion]) -> String {
        if suggestions.is_empty() {
            return "\nno single change of the rule that was tried fires on these events\n".to_owned();
        }
        let mut text = "\nit fires, as a run over the same events shows, with\n".to_owned();
        for suggestion in suggestions {
            let old = suggestion.old.join(" ");
            let line = match suggestion.new.join(" ") {
                new if new.is_empty() => format!("  without `{old}`"),
                new if old.is_empty() => format!("  {new}"),
                new => format!("  {new}\n    in place of `{old}`"),
            };
            text.push_str(&format!("{line}\n    {}\n", self.comes_of(&suggestion.alert)));
        }
        text
    }

    fn comes_of(&self, alert: &Alert) -> String {
        let took = lasted_ms(alert);
        let took = if took > 0 {
            format!(", {} from the first event of the match to the last", words(took))
        } else {
            String::new()
        };
        format!("alert at {}{took}", self.names.since(alert.time_ms))
    }
}

/// Whether a run took the event.
fn is_taken(one: &Judged) -> bool {
    matches!(one.place, Place::Step(_)) && one.fits && !one.late
}
