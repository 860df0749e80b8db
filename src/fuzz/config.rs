//! A configuration file: settings, or problems, each with a line that is in the file.

use std::path::Path;

use crate::config::{self, ConfigError};

pub(super) fn target(data: &[u8]) {
    let text = String::from_utf8_lossy(data);
    // A reference to a file would read it, and some never end.
    let text = text.replace("${file:", "${env:");
    match config::parse(Path::new("fuzz/tripline.toml"), &text) {
        Ok(settings) => assert!(!format!("{settings:?}").is_empty(), "settings can be shown"),
        Err(ConfigError::Wrong { problems, .. }) => {
            assert!(!problems.is_empty(), "what is refused has a reason");
            let lines = text.matches('\n').count() + 1;
            for problem in problems {
                assert!(problem.line.is_none_or(|line| (1..=lines).contains(&line)), "{problem:?} has a line");
                assert!(!problem.to_string().is_empty(), "a problem is told");
            }
        }
        Err(error @ ConfigError::Unreadable { .. }) => panic!("nothing was to be read: {error}"),
    }
}
