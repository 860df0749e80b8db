//! One problem in rule text.

use crate::diagnostic::{Code, Span};

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Severity {
    /// The rules cannot run.
    Error,
    /// They run, and probably not as meant.
    Warning,
}

/// A place with a few words.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there; may be empty.
    pub text: String,
}

/// A correction that can be applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fix {
    /// What is replaced; empty where something is inserted.
    pub span: Span,
    /// By what.
    pub replacement: String,
}

/// One problem: what it is, where, and how to mend it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Diagnostic {
    /// Its stable code.
    pub code: Code,
    /// One short sentence in plain words, without a full stop.
    pub message: String,
    /// The place that is wrong, with what is wrong about it.
    pub primary: Label,
    /// Places that explain it.
    pub labels: Vec<Label>,
    /// What to do.
    pub help: Option<String>,
    /// The correction, where there is just one.
    pub fix: Option<Fix>,
}

impl Diagnostic {
    /// A problem at a place.
    pub fn new(code: Code, span: Span, message: impl Into<String>) -> Diagnostic {
        Diagnostic {
            code,
            message: message.into(),
            primary: Label { span, text: String::new() },
            labels: Vec::new(),
            help: None,
            fix: None,
        }
    }

    /// With words at the place itself.
    #[must_use]
    pub fn at(mut self, text: impl Into<String>) -> Diagnostic {
        self.primary.text = text.into();
        self
    }

    /// With another place that explains it.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl Into<String>) -> Diagnostic {
        self.labels.push(Label { span, text: text.into() });
        self
    }

    /// With what to do.
    #[must_use]
    pub fn help(mut self, text: impl Into<String>) -> Diagnostic {
        self.help = Some(text.into());
        self
    }

    /// With a correction that can be applied.
    #[must_use]
    pub fn fix(mut self, span: Span, replacement: impl Into<String>) -> Diagnostic {
        self.fix = Some(Fix { span, replacement: replacement.into() });
        self
    }

    /// With "did you mean `x`?" and its fix, where a candidate is close to what was written.
    #[must_use]
    pub fn did_you_mean<'a>(
        self,
        span: Span,
        written: &str,
        candidates: impl IntoIterator<Item = &'a str>,
    ) -> Diagnostic {
        match super::closest(written, candidates) {
            Some(candidate) => self.help(format!("did you mean `{candidate}`?")).fix(span, candidate),
            None => self,
        }
    }

    /// How bad it is.
    pub fn severity(&self) -> Severity {
        self.code.severity()
    }
}
