//! Where snapshots of the state are kept, and how often they are taken: the table `[state]`. What a bucket needs more is
//! read in `bucket`.

use std::time::Duration;

use toml::Spanned;

use crate::config::raw::RawState;
use crate::config::resolve::Checker;
use crate::config::{Sources, StatePlace, StateSettings};

const EVERY: Duration = Duration::from_secs(30);
/// More often they would be written all the time.
const EVERY_MIN: Duration = Duration::from_millis(100);

impl Checker<'_> {
    pub(super) fn state(&mut self, raw: Option<Spanned<RawState>>, sources: &Sources) -> StateSettings {
        let default = StateSettings { place: None, every: EVERY };
        let Some(raw) = raw else { return default };
        if let Sources::Files(_) = sources {
            self.problem(&raw, "state", "snapshots are taken over topics: files are read from their beginnings");
        }
        let raw = raw.into_inner();
        let every = self.duration("state.every", raw.every.as_ref(), default.every);
        if let Some(given) = raw.every.as_ref().filter(|_| every < EVERY_MIN) {
            self.problem(given, "state.every", "at least 100ms; 30s is usual");
        }
        StateSettings { place: self.place(&raw), every }
    }

    fn place(&mut self, raw: &RawState) -> Option<StatePlace> {
        let text = raw.url.as_ref().map_or("", |url| url.get_ref().as_str());
        if let (Some(url), Some(address)) = (&raw.url, text.strip_prefix("s3://")) {
            return self.bucket(url, address, raw).map(|settings| StatePlace::Bucket(Box::new(settings)));
        }
        self.no_bucket(raw);
        let url = raw.url.as_ref()?;
        match text.strip_prefix("file:") {
            Some(path) if !path.is_empty() => {
                Some(StatePlace::Folder(self.folder.join(path.strip_prefix("//").unwrap_or(path))))
            }
            _ => {
                let message =
                    format!("`{text}`: write a folder, as in \"file:./state\", or a bucket, \"s3://bucket/prefix\"");
                self.problem(url, "state.url", message);
                None
            }
        }
    }
}
