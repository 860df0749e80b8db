//! The outside of a mail sink: something that takes a mail or says why not. SMTP and folders stand behind it, and
//! the tests put failing servers there.

use std::future::Future;

use lettre::Address;

use crate::sink::email::mail::Mail;

/// Takes mails.
pub(super) trait Mailer: Send {
    /// One attempt to hand a mail over for these recipients. Recipients who are not among the refusals have it.
    /// A call that is dropped may or may not have delivered.
    fn send(&mut self, mail: &Mail, to: &[Address]) -> impl Future<Output = Result<Vec<Refusal>, SendError>> + Send;
}

/// The server would not take this mail for a recipient.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Refusal {
    pub(super) recipient: Address,
    /// Whether trying again is of no use (a 5xx reply).
    pub(super) permanent: bool,
    pub(super) reason: String,
}

impl Refusal {
    /// The same after the last attempt that will be made.
    pub(super) fn after_retries(self) -> Refusal {
        Refusal { reason: format!("given up after retries: {}", self.reason), ..self }
    }
}

/// The server took nothing, whatever the mail.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SendError {
    /// It cannot be reached, broke off, or said nothing in time.
    #[error("mail server cannot be reached: {0}")]
    Unreachable(String),
    /// It will not do before a person changes something: wrong password, no TLS, a certificate of nobody we know.
    #[error("mail server is not usable: {0}")]
    Unusable(String),
}
