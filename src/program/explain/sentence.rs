//! A rule read back as one English sentence: whose events, which events, in which order, within which time, what ends
//! a match, and what the alert says. Everything that decides is in it.

use crate::program::explain::plan::range_words;
use crate::program::explain::words::{Words, listed, number, with_article};
use crate::program::{AlertSpec, Dispatch, Expr, Held, KeyId, Program, Rule, Session, Step, Strategy, duration};
use crate::schema::Field;

/// The sentence of a rule, with its full stop.
pub fn sentence(program: &Program, rule: &Rule) -> String {
    let teller = Teller { words: Words::new(program, rule), program, rule };
    let what = match &rule.strategy {
        Strategy::Filter if teller.is_risk() => teller.risk(),
        Strategy::Filter => teller.filter(),
        Strategy::SequenceNfa => teller.sequence(),
        Strategy::AllOf => teller.all_of(),
        Strategy::EachPair => teller.each_pair(),
        Strategy::Session(session) => teller.session(session),
        Strategy::Held(held) => teller.held(*held),
    };
    format!("{} {what}.", teller.for_each())
}

struct Teller<'a> {
    words: Words<'a>,
    program: &'a Program,
    rule: &'a Rule,
}

impl Teller<'_> {
    /// `For each user_id:`
    fn for_each(&self) -> String {
        for_each(self.program, self.rule.key, |dispatch| dispatch.rules.contains(&self.rule.id))
    }

    fn whose(&self) -> String {
        match &*self.program.keys[self.rule.key.index()].parts {
            [] => "of the rule".to_owned(),
            parts => format!("of that {}", key_words(parts)),
        }
    }

    // Patterns.

    fn filter(&self) -> String {
        format!("at each {}, {}", self.step_words(0), self.alert("at that event"))
    }

    /// A risk is a rule over an event type that has its own name: the scores of the alerts that it adds up.
    fn is_risk(&self) -> bool {
        let guards = self.rule.steps.first().map_or(&[][..], |step| &step.guards);
        guards.iter().any(|guard| self.words.type_name(guard.type_id) == &*self.rule.name)
    }

    fn risk(&self) -> String {
        let guard = &self.rule.steps[0].guards[0];
        let condition = self.words.guarded(std::slice::from_ref(guard), "");
        let condition = condition.split_once(" where ").map_or("", |(_, condition)| condition);
        let over = self.program.windows.iter().zip(0..).find(|(_, id)| {
            let read = |(_, expr): &(_, _)| matches!(expr, Expr::Window(window) if window.0 == *id);
            self.rule.alert.values.iter().any(read)
        });
        let range = over.map_or_else(String::new, |(window, _)| range_words(window.range));
        format!(
            "whenever {} sends an alert, total is the sum of the scores of the alerts sent in {range}, that one included, \
             and if {condition}, {}",
            scored(self.program, self.rule).join(" or "),
            self.alert("at the time of that alert")
        )
    }

    fn sequence(&self) -> String {
        let rule = self.rule;
        let mut text = self.chain();
        text.push_str(&self.skipping());
        if let Some(within) = rule.within {
            text.push_str(&format!(
                ", within {} from the first of these events to the last, inclusive",
                duration(within.ms)
            ));
        }
        if let Some(absence) = &rule.absence {
            let after = if rule.steps.len() > 1 || rule.steps[0].is_repeated() { "the last of them" } else { "it" };
            text.push_str(&format!(
                ", and then no {} within {} after {after} (one after exactly that time still cancels)",
                self.words.guarded(&absence.guards, ""),
                duration(absence.within_ms)
            ));
        }
        text.push_str(&self.unless());
        let when = match &rule.absence {
            Some(absence) => format!("when the {} are over", duration(absence.within_ms)),
            None => "at the last of these events".to_owned(),
        };
        format!("{text}; {}; {}", self.alert(&when), self.used_up())
    }

    /// `a login (called a), then the first later purchase (called b) where …`
    fn chain(&self) -> String {
        let steps = self.rule.steps.iter().enumerate();
        let words = steps.map(|(at, step)| {
            let what = self.step_words(at);
            match (at, step.next, !step.is_repeated()) {
                (0, _, true) if self.rule.every => format!("every {what}"),
                (0, _, true) => with_article(&what),
                (0, ..) => what,
                (_, true, _) => format!(
                    "then, as the very next {} there is, {}",
                    self.words.nouns(&step.guards),
                    with_article(&what)
                ),
                (_, _, true) => format!("then the first later {what}"),
                (..) => format!("then {what}"),
            }
        });
        words.collect::<Vec<_>>().join(", ")
    }

    /// What becomes of events that fit nothing.
    fn skipping(&self) -> String {
        let steps = &self.rule.steps;
        let several = steps.len() > 1 || self.rule.steps[0].is_repeated();
        let next = steps.iter().any(|step| step.next);
        let lenient = steps.iter().skip(1).any(|step| !step.next) || steps.iter().any(Step::is_repeated);
        match (several, next, lenient) {
            (false, ..) => String::new(),
            (_, false, _) => " (events in between that do not fit are passed over)".to_owned(),
            (_, true, false) => " (a very next one that does not fit ends the match)".to_owned(),
            (_, true, true) => {
                " (a very next one that does not fit ends the match; elsewhere events in between are passed over)"
                    .to_owned()
            }
        }
    }

    fn all_of(&self) -> String {
        let slots: Vec<String> = (0..self.rule.steps.len()).map(|at| with_article(&self.step_words(at))).collect();
        let mut text = format!("{} in any order", listed(&slots));
        text.push_str(&self.linked());
        if let Some(within) = self.rule.within {
            text.push_str(&format!(", within {} from the first of them to the last, inclusive", duration(within.ms)));
        }
        text.push_str(&self.unless());
        let begins = if self.rule.every { "every event that fits one of them begins a match of its own; " } else { "" };
        format!("{text}; {begins}{}; {}", self.alert("at the last of them"), self.used_up())
    }

    fn each_pair(&self) -> String {
        let sides: Vec<String> = (0..2).map(|at| with_article(&self.step_words(at))).collect();
        let within = self.rule.within.map_or_else(String::new, |within| duration(within.ms));
        format!(
            "every pair of {} that are at most {within} apart, inclusive, in either order{}; {}",
            sides.join(" and "),
            self.linked(),
            self.alert("for each such pair, at the later of the two")
        )
    }

    fn session(&self, session: &Session) -> String {
        let step = &self.rule.steps[0];
        let name = if self.words.is_unnamed(0) { String::new() } else { format!(" {}", step.label) };
        let types: Vec<String> = step.guards.iter().map(|guard| self.words.noun(guard.type_id)).collect();
        let at_most = session
            .at_most_ms
            .map_or_else(String::new, |ms| format!(", and no later than {} after the first", duration(ms)));
        let condition = session.condition.as_ref();
        let condition =
            condition.map_or_else(String::new, |condition| format!(" if {}", self.words.condition(condition)));
        format!(
            "a session{name} of {} events is over when none of them has come for more than {} after the last{at_most}, \
             and then,{condition}{} {}",
            listed(&types),
            duration(session.idle_ms),
            if condition.is_empty() { "" } else { "," },
            self.alert("at the time at which it is over")
        )
    }

    fn held(&self, held: Held) -> String {
        let guards = &self.rule.steps[0].guards;
        let silence = match held.gap_ms {
            Some(ms) => format!("a silence of more than {} begins it anew", duration(ms)),
            None => "silence does not interrupt it".to_owned(),
        };
        let types = self.words.nouns(guards);
        let what = self.words.guarded(guards, "");
        let condition = what.split_once(" where ").map_or("it comes", |(_, condition)| condition);
        format!(
            "once {condition} has held on every {types} for at least {}, where {silence}, {}; there is one alert until an \
             event fails the condition, and then it begins anew",
            duration(held.for_ms),
            self.alert(&format!("at the first {types} at or after that time"))
        )
    }

    // Clauses.

    /// A step: `5 login_failed`, `purchase (called b) where b.amount > 100`.
    fn step_words(&self, at: usize) -> String {
        let step = &self.rule.steps[at];
        let called = if self.words.is_unnamed(at) { String::new() } else { format!(" (called {})", step.label) };
        let what = self.words.guarded(&step.guards, &called);
        match (step.count, step.or_more) {
            (1, false) => what,
            (n, false) => format!("{n} times {what}"),
            (n, true) => format!("{n} times or more, until the next step fits, {what}"),
        }
    }

    fn linked(&self) -> String {
        let links: Vec<String> = (0..self.rule.steps.len()).flat_map(|slot| self.words.links(slot)).collect();
        if links.is_empty() { String::new() } else { format!(", where {}", links.join(" and ")) }
    }

    fn unless(&self) -> String {
        let ends: Vec<String> =
            self.rule.unless.iter().map(|unless| with_article(&self.words.guarded(&unless.guards, ""))).collect();
        if ends.is_empty() {
            return String::new();
        }
        let wait = if self.rule.absence.is_some() { ", also during the wait" } else { "" };
        format!(", unless {} comes after the first{wait}, which ends the match", ends.join(", or "))
    }

    /// What a completed match does to the others.
    fn used_up(&self) -> String {
        let whose = self.whose();
        if self.rule.every {
            return "matches do not touch each other and each gives at most one alert".to_owned();
        }
        format!("the alert drops all open matches {whose}, so that no event is in two alerts")
    }

    /// `an alert of severity high and score 40 is sent at … that says "…"`
    fn alert(&self, when: &str) -> String {
        let AlertSpec { severity, score, message, targets, tags, at_most_once_ms, .. } = &self.rule.alert;
        let score = score.map_or_else(String::new, |score| format!(" with score {}", number(score)));
        let to = if targets.is_empty() { "all sinks".to_owned() } else { listed(targets) };
        let tags = if tags.is_empty() { String::new() } else { format!(", tagged {}", listed(tags)) };
        let limit = at_most_once_ms
            .map_or_else(String::new, |ms| format!(", but at most once per {} {}", duration(ms), self.whose()));
        let article = if severity.as_str() == "info" { "an info" } else { &format!("a {severity}") };
        let values: Vec<String> = self.rule.alert.values.iter().map(|(name, _)| name.to_string()).collect();
        let values = if values.is_empty() { String::new() } else { format!(", with {}", listed(&values)) };
        format!(
            "{article} alert{score} goes to {to} {when}{tags}{values}, saying \"{}\"{limit}",
            self.words.message(message)
        )
    }
}

/// `For each user_id (user_id is sender_id in transfer):`; `has` tells the event types that count.
pub(super) fn for_each(program: &Program, key: KeyId, has: impl Fn(&Dispatch) -> bool) -> String {
    let parts = &program.keys[key.index()].parts;
    if parts.is_empty() {
        return "Over all events together:".to_owned();
    }
    let mut renamed = Vec::new();
    for (plan, event_type) in program.types.iter().zip(&program.schema.types) {
        let ours = plan.dispatch.iter().find(|dispatch| dispatch.key == key && has(dispatch));
        for (part, slot) in parts.iter().zip(ours.map_or(&[][..], |dispatch| &dispatch.values)) {
            let field = plan.fields.get(usize::from(*slot)).and_then(|at| event_type.fields.get(*at));
            if let Some(field) = field.map(Field::dotted).filter(|field| field != part) {
                renamed.push(format!("{part} is {field} in {}", event_type.name));
            }
        }
    }
    let renamed = if renamed.is_empty() { String::new() } else { format!(" ({})", renamed.join("; ")) };
    format!("For each {}{renamed}:", key_words(parts))
}

/// The rules whose scores a risk adds up.
fn scored(program: &Program, risk: &Rule) -> Vec<String> {
    let type_id = risk.steps[0].guards[0].type_id;
    let feeds = |rule: &&Rule| rule.derived.iter().any(|derived| derived.type_id == type_id);
    let name = |rule: &Rule| {
        let score = rule.alert.score.map_or_else(String::new, |score| format!(" ({})", number(score)));
        format!("{}{score}", rule.name)
    };
    program.rules.iter().filter(feeds).map(name).collect()
}

fn key_words(parts: &[String]) -> String {
    match parts {
        [one] => one.clone(),
        several => format!("combination of {}", listed(several)),
    }
}
