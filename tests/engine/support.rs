//! Rules as text and events as lines, through a stream.

use std::sync::Arc;

use tripline::alert::Alert;
use tripline::decode::{DecodeLimits, FieldNames, JsonDecoder};
use tripline::engine::{Admission, InputSettings, Stream};
use tripline::event::Event;
use tripline::program::Program;
use tripline::ruleset::RuleSet;

/// The program of a rule text that is right.
pub(super) fn program(text: &str) -> Arc<Program> {
    let set = RuleSet::from_texts([("test.rules".to_owned(), text.to_owned())]);
    assert!(set.checked.is_ok(), "{:#?}", set.checked.diagnostics);
    set.program().expect("just seen")
}

/// A stream with its decoder.
pub(super) struct Feed {
    pub(super) stream: Stream,
    decoder: JsonDecoder,
    offset: u64,
}

impl Feed {
    pub(super) fn new(program: &Arc<Program>, input: InputSettings) -> Feed {
        let mut stream = Stream::new(Arc::clone(program), &[input]);
        stream.name_sources(Arc::from(["events".to_owned()]));
        let decoder = JsonDecoder::new(program, &FieldNames::default(), DecodeLimits::default());
        Feed { stream, decoder, offset: 0 }
    }

    /// Gives a line; the alerts that follow at once.
    pub(super) fn push(&mut self, line: &str) -> (Admission, Vec<Alert>) {
        let mut event = Event::default();
        self.decoder.decode(line.as_bytes(), &mut event).expect("the line is an event");
        event.position.offset = self.offset;
        self.offset += 1;
        let mut alerts = Vec::new();
        let admission = self.stream.push(0, &mut event, &mut alerts);
        self.stream.release(&mut alerts);
        (admission, alerts)
    }
}

/// The events of these lines, in order, for a program.
pub(super) fn decode(program: &Program, lines: &str) -> Vec<Event> {
    let mut decoder = JsonDecoder::new(program, &FieldNames::default(), DecodeLimits::default());
    let decode = |(offset, line): (u64, &str)| {
        let mut event = Event::default();
        decoder.decode(line.as_bytes(), &mut event).expect("the line is an event");
        event.position.offset = offset;
        event
    };
    (0..).zip(lines.lines()).map(decode).collect()
}
