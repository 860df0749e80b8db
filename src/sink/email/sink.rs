//! The loop of a mail sink: one mail at a time, nothing acknowledged before it is delivered.
//!
//! A mail that the server will not take *now* waits by itself and others go on. A server that cannot be reached or
//! used stops the reading, so alerts wait in the inbox and not in memory.

use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

use lettre::Address;
use tokio::sync::watch;
use tokio::time::Instant;

use crate::sink::counters::count;
use crate::sink::email::counters::{EmailCounters, EmailFigures};
use crate::sink::email::folder::Folder;
use crate::sink::email::mail::{Composer, Mail};
use crate::sink::email::mailer::{Mailer, Refusal, SendError};
use crate::sink::email::settings::{EmailSettings, Resolved, Server};
use crate::sink::email::smtp::Smtp;
use crate::sink::email::throttle::{Bundle, Limits, Throttle};
use crate::sink::filter::Filter;
use crate::sink::gate::Gate;
use crate::sink::ledger::{Held, Ledger};
use crate::sink::seen::Seen;
use crate::sink::setting_error::{SettingError, joined};
use crate::sink::stop::{Stop, at};
use crate::sink::{AlertInbox, Backoff, DeadLetter, DeadMail, Delivery, Random};

/// Undelivered mails at which the inbox is left alone.
const OUTBOX_MAX: usize = 100;
/// How long an acknowledgement may wait for others.
const ACKNOWLEDGE_EVERY: Duration = Duration::from_secs(1);

/// A mail sink, ready to run.
pub struct EmailSink {
    name: String,
    settings: EmailSettings,
    resolved: Resolved,
    carrier: Carrier,
    counters: Arc<EmailCounters>,
    backoff: Backoff,
    random: Random,
}

/// What mails go out by.
enum Carrier {
    Smtp(Box<Smtp>),
    Folder(Folder),
}

/// How a run ended.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EmailSummary {
    /// The counters at the end.
    pub figures: EmailFigures,
    /// Alerts that were read but neither delivered nor dead-lettered. They are not acknowledged and come again.
    pub undelivered: u64,
}

/// Why a mail sink did not start or had to stop.
#[derive(Debug, thiserror::Error)]
pub enum EmailSinkError {
    /// Settings that cannot work, all of them.
    #[error("e-mail settings of sink '{sink}' are wrong: {}", joined(.errors))]
    Settings {
        /// The sink's name.
        sink: String,
        /// What is wrong.
        errors: Vec<SettingError>,
    },
    /// The certificates of `ca_file` or of the system cannot be used.
    #[error("ca_file of sink '{sink}': {reason}")]
    Tls {
        /// The sink's name.
        sink: String,
        /// Why not.
        reason: String,
    },
    /// A mail that cannot be delivered could not be kept either. It is not acknowledged.
    #[error("dead letter of sink '{sink}' cannot be kept")]
    DeadLetter {
        /// The sink's name.
        sink: String,
        /// Why not.
        source: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl EmailSink {
    /// A sink of this name. Checks the settings and reads the certificates; connects to nothing yet.
    pub fn new(name: impl Into<String>, settings: EmailSettings) -> Result<EmailSink, EmailSinkError> {
        let name = name.into();
        let resolved = settings.resolve().map_err(|errors| EmailSinkError::Settings { sink: name.clone(), errors })?;
        let smtp = Smtp::new(&settings, &resolved.server, resolved.from.email.clone())
            .map_err(|reason| EmailSinkError::Tls { sink: name.clone(), reason })?;
        let carrier = match (smtp, &resolved.server) {
            (None, Server::Folder(path)) => Carrier::Folder(Folder::new(path.clone())),
            (Some(smtp), _) => Carrier::Smtp(Box::new(smtp)),
            (None, _) => unreachable!("only a folder has no SMTP client"),
        };
        // Jitter must differ between processes; nothing else depends on it.
        let seed = std::hash::RandomState::new().hash_one(&name);
        Ok(EmailSink {
            name,
            settings,
            resolved,
            carrier,
            counters: Arc::default(),
            backoff: Backoff::default(),
            random: Random::new(seed),
        })
    }

    /// Another schedule of retries, and the seed of its jitter.
    #[must_use]
    pub fn with_retries(mut self, backoff: Backoff, seed: u64) -> EmailSink {
        self.backoff = backoff;
        self.random = Random::new(seed);
        self
    }

    /// The counters, which can be read while the sink runs.
    pub fn counters(&self) -> Arc<EmailCounters> {
        Arc::clone(&self.counters)
    }

    /// Mails what comes, until the inbox ends and everything is delivered, or until `shutdown` becomes true (or its
    /// sender is gone): then the mail in flight and one last digest get three seconds, and the rest stays
    /// unacknowledged.
    pub async fn run<I: AlertInbox, D: DeadLetter>(
        self,
        inbox: I,
        dead_letter: D,
        shutdown: watch::Receiver<bool>,
    ) -> Result<EmailSummary, EmailSinkError> {
        if self.settings.insecure_plaintext {
            tracing::warn!(sink = %self.name, "mails and password go out without encryption, as configured");
        }
        let EmailSink { name, settings, resolved, carrier, counters, backoff, random } = self;
        let parts = Parts { name, settings, resolved, counters, backoff, random };
        match carrier {
            Carrier::Smtp(smtp) => Runner::new(parts, *smtp, inbox, dead_letter, shutdown).run().await,
            Carrier::Folder(folder) => Runner::new(parts, folder, inbox, dead_letter, shutdown).run().await,
        }
    }
}

/// What a sink consists of beside its carrier.
pub(super) struct Parts {
    pub(super) name: String,
    pub(super) settings: EmailSettings,
    pub(super) resolved: Resolved,
    pub(super) counters: Arc<EmailCounters>,
    pub(super) backoff: Backoff,
    pub(super) random: Random,
}

/// A running sink.
pub(super) struct Runner<M, I, D> {
    name: String,
    filter: Filter,
    recipients: Vec<Address>,
    composer: Composer,
    mailer: M,
    inbox: I,
    dead_letter: D,
    stop: Stop,
    throttle: Throttle,
    outbox: Vec<Queued>,
    ledger: Ledger,
    seen: Seen,
    gate: Gate,
    backoff: Backoff,
    random: Random,
    counters: Arc<EmailCounters>,
    /// Whether the inbox has ended.
    ended: bool,
    acknowledge_at: Option<Instant>,
}

/// A mail on its way.
struct Queued {
    mail: Mail,
    held: Held,
    /// The recipients who neither have it nor were given up.
    outstanding: Vec<Address>,
    given_up: Vec<Refusal>,
    attempts: u32,
    first_attempt: Option<Instant>,
    due: Instant,
}

/// What became of an attempt.
enum Attempt {
    Finished,
    Later,
    Interrupted,
}

impl<M: Mailer, I: AlertInbox, D: DeadLetter> Runner<M, I, D> {
    pub(super) fn new(parts: Parts, mailer: M, inbox: I, dead_letter: D, shutdown: watch::Receiver<bool>) -> Self {
        let Parts { name, settings, resolved, counters, backoff, random } = parts;
        let limits = Limits { digest_after: settings.digest_after, max_per_hour: settings.max_per_hour };
        let recipients = resolved.to.iter().map(|mailbox| mailbox.email.clone()).collect();
        let composer = Composer::new(resolved.from, resolved.to, limits.max_per_hour, limits.combined_every());
        Runner {
            filter: Filter { sink: name.clone(), min_severity: settings.min_severity },
            name,
            recipients,
            composer,
            mailer,
            inbox,
            dead_letter,
            stop: Stop::new(shutdown),
            throttle: Throttle::new(limits),
            outbox: Vec::new(),
            ledger: Ledger::default(),
            seen: Seen::default(),
            gate: Gate::default(),
            backoff,
            random,
            counters,
            ended: false,
            acknowledge_at: None,
        }
    }

    pub(super) async fn run(mut self) -> Result<EmailSummary, EmailSinkError> {
        while !self.stop.is_asked() && !self.is_finished() {
            self.post_digests();
            self.send_due().await?;
            self.acknowledge_in_time().await;
            if self.stop.is_asked() || self.is_finished() {
                break;
            }
            self.wait().await;
        }
        self.last_words().await?;
        self.acknowledge().await;
        Ok(self.summary())
    }

    /// Waits for whatever comes first: a stop, the next thing to do, or an alert.
    async fn wait(&mut self) {
        let wake = self.next_wake();
        let reading = !self.ended && self.gate.is_open() && self.outbox.len() < OUTBOX_MAX;
        tokio::select! {
            biased;
            () = self.stop.asked() => {}
            () = at(wake) => {}
            delivery = self.inbox.next(), if reading => self.received(delivery),
        }
    }

    fn next_wake(&self) -> Option<Instant> {
        let now = Instant::now();
        let mail = self.outbox.iter().map(|queued| queued.due.max(self.gate.opens(now))).min();
        let digest = self.throttle.next_due(now).map(|due| due.max(self.gate.opens(now)));
        let gate = (!self.gate.is_open()).then(|| self.gate.opens(now));
        [mail, digest, gate, self.acknowledge_at].into_iter().flatten().min()
    }

    fn received(&mut self, delivery: Option<Delivery>) {
        if let Some(delivery) = delivery {
            self.take(delivery);
        } else {
            self.ended = true;
            self.throttle.close(Instant::now());
        }
    }

    fn take(&mut self, Delivery { record, position }: Delivery) {
        count(&self.counters.read);
        self.ledger.read(position);
        let now = Instant::now();
        self.acknowledge_at.get_or_insert(now + ACKNOWLEDGE_EVERY);
        if !self.filter.takes(&record) {
            count(&self.counters.skipped);
        } else if !self.seen.insert(&record.alert_id) {
            count(&self.counters.repeats);
        } else if let Some(digest) = self.throttle.admit(&record.rule, now, self.outbox.len()) {
            count(&self.counters.digested);
            digest.add(record, position);
        } else {
            let mut held = Held::default();
            held.add(position);
            self.post(self.composer.alert(&record), held);
        }
    }

    fn post_digests(&mut self) {
        if self.gate.is_open() {
            for bundle in self.throttle.due(Instant::now(), self.outbox.len()) {
                self.post_bundle(&bundle);
            }
        }
    }

    fn post_bundle(&mut self, bundle: &Bundle) {
        let mut held = Held::default();
        bundle.digests.iter().for_each(|digest| held.join(&digest.held));
        self.post(self.composer.digest(bundle), held);
    }

    fn post(&mut self, mail: Mail, held: Held) {
        self.outbox.push(Queued {
            mail,
            held,
            outstanding: self.recipients.clone(),
            given_up: Vec::new(),
            attempts: 0,
            first_attempt: None,
            due: Instant::now(),
        });
    }

    /// Sends the mails that are due, the oldest first, as long as the server goes along.
    async fn send_due(&mut self) -> Result<(), EmailSinkError> {
        while self.gate.is_open() && !self.stop.is_over() {
            let now = Instant::now();
            let Some(index) = self.outbox.iter().position(|queued| queued.due <= now) else {
                break;
            };
            match self.attempt(index).await? {
                Attempt::Finished => {
                    self.outbox.remove(index);
                    self.acknowledge().await;
                }
                Attempt::Later => {}
                Attempt::Interrupted => break,
            }
        }
        Ok(())
    }

    /// One attempt. A mail whose attempt fails stays where it is in the outbox, so it is never out of the ledger.
    async fn attempt(&mut self, index: usize) -> Result<Attempt, EmailSinkError> {
        let queued = &mut self.outbox[index];
        let first_attempt = *queued.first_attempt.get_or_insert_with(Instant::now);
        let sent = tokio::select! {
            biased;
            sent = self.mailer.send(&queued.mail, &queued.outstanding) => sent,
            () = self.stop.over() => return Ok(Attempt::Interrupted),
        };
        let now = Instant::now();
        let too_old = now.duration_since(first_attempt) >= self.backoff.give_up_after;
        match sent {
            Ok(refusals) => {
                self.gate.succeeded(&self.name);
                queued.judge(refusals, too_old);
                queued.due = now + self.backoff.delay(queued.attempts, &mut self.random);
                queued.attempts = queued.attempts.saturating_add(1);
            }
            Err(error) => {
                let delay = self.backoff.delay(self.gate.failures(), &mut self.random);
                let needs_person = matches!(error, SendError::Unusable(_));
                self.gate.failed(&self.name, &error, needs_person, now, delay);
                match error {
                    SendError::Unreachable(reason) if too_old => queued.give_up(&reason),
                    SendError::Unreachable(_) => {}
                    SendError::Unusable(_) => {
                        // Time spent waiting for a person does not count towards giving up.
                        queued.first_attempt = None;
                        count(&self.counters.refused);
                    }
                }
            }
        }
        if self.outbox[index].outstanding.is_empty() {
            self.finish(index).await?;
            return Ok(Attempt::Finished);
        }
        count(&self.counters.retried);
        Ok(Attempt::Later)
    }

    /// Counts a mail that nothing more will happen to, and keeps it where somebody did not get it.
    async fn finish(&mut self, index: usize) -> Result<(), EmailSinkError> {
        let queued = &self.outbox[index];
        if queued.given_up.len() < self.recipients.len() {
            self.throttle.delivered(Instant::now());
            count(&self.counters.sent);
            if queued.mail.is_digest {
                count(&self.counters.digests);
            }
        }
        if queued.given_up.is_empty() {
            return Ok(());
        }
        count(&self.counters.failed);
        let letter = queued.dead_mail(&self.name);
        tracing::error!(
            sink = %self.name, message_id = letter.message_id, alerts = letter.alerts, reason = letter.reason,
            "mail cannot be delivered and goes to the dead letters"
        );
        let kept = self.dead_letter.keep(letter).await;
        kept.map_err(|source| EmailSinkError::DeadLetter { sink: self.name.clone(), source })
    }

    async fn acknowledge_in_time(&mut self) {
        if self.acknowledge_at.is_some_and(|at| at <= Instant::now()) {
            self.acknowledge().await;
        }
    }

    async fn acknowledge(&mut self) {
        self.acknowledge_at = None;
        let waiting = self.outbox.iter().map(|queued| &queued.held).chain(self.throttle.held());
        for position in self.ledger.due(waiting) {
            self.inbox.acknowledge(position).await;
        }
    }

    /// After a stop: what can still be told within the grace is told, as one mail.
    async fn last_words(&mut self) -> Result<(), EmailSinkError> {
        if self.gate.is_open() && !self.stop.is_over() {
            if let Some(bundle) = self.throttle.last_word(Instant::now(), self.outbox.len()) {
                self.post_bundle(&bundle);
            }
            self.send_due().await?;
        }
        Ok(())
    }

    fn is_finished(&self) -> bool {
        self.ended && self.outbox.is_empty() && self.throttle.is_calm()
    }

    fn summary(&self) -> EmailSummary {
        let queued: u64 = self.outbox.iter().map(|queued| queued.mail.alerts).sum();
        let summary = EmailSummary { figures: self.counters.figures(), undelivered: queued + self.throttle.waiting() };
        tracing::info!(
            sink = %self.name, sent = summary.figures.sent, failed = summary.figures.failed,
            undelivered = summary.undelivered, "mail sink stopped"
        );
        summary
    }
}

impl Queued {
    /// Splits the refusals of an attempt into those for ever and those to try again.
    fn judge(&mut self, refusals: Vec<Refusal>, too_old: bool) {
        self.outstanding.clear();
        for refusal in refusals {
            if refusal.permanent {
                self.given_up.push(refusal);
            } else if too_old {
                self.given_up.push(refusal.after_retries());
            } else {
                self.outstanding.push(refusal.recipient);
            }
        }
    }

    fn give_up(&mut self, reason: &str) {
        let refusal = |recipient| Refusal { recipient, permanent: false, reason: reason.to_owned() };
        self.given_up.extend(self.outstanding.drain(..).map(|recipient| refusal(recipient).after_retries()));
    }

    fn dead_mail(&self, sink: &str) -> DeadMail {
        let reasons = self.given_up.iter().map(|refusal| format!("{}: {}", refusal.recipient, refusal.reason));
        DeadMail {
            sink: sink.to_owned(),
            reason: reasons.collect::<Vec<_>>().join("; "),
            recipients: self.given_up.iter().map(|refusal| refusal.recipient.to_string()).collect(),
            message_id: self.mail.message_id.clone(),
            alert_ids: self.mail.alert_ids.clone(),
            alerts: self.mail.alerts,
            mail: self.mail.bytes.clone(),
        }
    }
}
