//! Where snapshots of the state are kept, and how often they are taken: the table `[state]`.

use std::time::Duration;

use toml::Spanned;

use crate::config::raw::RawState;
use crate::config::resolve::Checker;
use crate::config::{Sources, StateSettings};

const EVERY: Duration = Duration::from_secs(30);
/// More often they would be written all the time.
const EVERY_MIN: Duration = Duration::from_millis(100);

impl Checker<'_> {
    pub(super) fn state(&mut self, raw: Option<Spanned<RawState>>, sources: &Sources) -> StateSettings {
        let default = StateSettings { folder: None, every: EVERY };
        let Some(raw) = raw else { return default };
        if let Sources::Files(_) = sources {
            self.problem(&raw, "state", "snapshots are taken over topics: files are read from their beginnings");
        }
        let RawState { url, every } = raw.into_inner();
        let folder = url.and_then(|url| match url.get_ref().strip_prefix("file:") {
            Some(path) if !path.is_empty() => Some(self.folder.join(path.strip_prefix("//").unwrap_or(path))),
            _ => {
                let message = format!("`{}`: write file: and a folder, as in \"file:./state\"", url.get_ref());
                self.problem(&url, "state.url", message);
                None
            }
        });
        let taken = self.duration("state.every", every.as_ref(), default.every);
        if let Some(every) = every.filter(|_| taken < EVERY_MIN) {
            self.problem(&every, "state.every", "at least 100ms; 30s is usual");
        }
        StateSettings { folder, every: taken }
    }
}
