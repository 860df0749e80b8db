//! What the end of a file of alerts shows after a crash: which alerts are in it, and where the whole lines end.

use std::fs::File;
use std::io::{self, Read, Seek, SeekFrom};

use serde::Deserialize;

/// What every line begins with.
const BEGINNING: &[u8] = br#"{"alert_id":""#;

/// The end of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Tail {
    /// The ids of the alerts in the part that was read, in order.
    pub(super) ids: Vec<String>,
    /// How many bytes of the file are whole lines.
    pub(super) whole: u64,
    /// How many bytes follow them.
    pub(super) torn: u64,
}

/// Why the end of a file cannot be continued.
#[derive(Debug, thiserror::Error)]
pub(super) enum TailError {
    #[error(transparent)]
    Io(#[from] io::Error),
    /// Cutting off what we did not write would destroy what is somebody else's.
    #[error("it ends in something that is no alert; move the file away, or end its last line")]
    Foreign,
}

/// An alert's line, as far as it matters here.
#[derive(Deserialize)]
struct Line {
    alert_id: String,
}

impl Tail {
    /// Reads at most the last `bytes_max` of a file.
    pub(super) fn read(file: &mut File, bytes_max: u64) -> Result<Tail, TailError> {
        let length = file.metadata()?.len();
        let start = length.saturating_sub(bytes_max);
        file.seek(SeekFrom::Start(start))?;
        let mut bytes = Vec::new();
        file.take(length - start).read_to_end(&mut bytes)?;
        Tail::of(&bytes, start)
    }

    /// The same of the bytes from `start` on.
    fn of(bytes: &[u8], start: u64) -> Result<Tail, TailError> {
        let end = whole_lines(bytes);
        let torn = &bytes[end..];
        let ours = torn.starts_with(BEGINNING) || BEGINNING.starts_with(torn) || torn.first() == Some(&0);
        if !ours || end == 0 && start > 0 {
            return Err(TailError::Foreign);
        }
        // The first line of a part is most likely the end of one.
        let first = if start == 0 { 0 } else { memchr::memchr(b'\n', &bytes[..end]).map_or(end, |at| at + 1) };
        let lines = bytes[first..end].split(|byte| *byte == b'\n');
        let ids = lines.filter_map(|line| serde_json::from_slice::<Line>(line).ok()).map(|line| line.alert_id);
        Ok(Tail { ids: ids.collect(), whole: start + end as u64, torn: torn.len() as u64 })
    }
}

/// Where the whole lines end. After a power cut a file may have zeros where bytes never reached the disk, and whole lines
/// behind them: none of that was ever acknowledged.
fn whole_lines(bytes: &[u8]) -> usize {
    let sound = memchr::memchr(0, bytes).unwrap_or(bytes.len());
    memchr::memrchr(b'\n', &bytes[..sound]).map_or(0, |at| at + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(id: &str) -> String {
        format!("{{\"alert_id\":\"{id}\",\"rule\":\"r\"}}\n")
    }

    fn tail(bytes: &[u8]) -> Tail {
        Tail::of(bytes, 0).expect("it is ours")
    }

    #[test]
    fn whole_lines_show_their_ids() {
        assert_eq!(tail(b""), Tail::default());
        let two = line("a") + &line("b");
        assert_eq!(tail(two.as_bytes()), Tail { ids: vec!["a".into(), "b".into()], whole: 56, torn: 0 });
        let strange = "# a note\n".to_owned() + &line("a");
        assert_eq!(tail(strange.as_bytes()).ids, ["a"]);
    }

    #[test]
    fn a_line_torn_anywhere_is_found() {
        let (first, second) = (line("a"), line("b"));
        for length in 1..second.len() {
            let text = format!("{first}{}", &second[..length]);
            let torn = Tail { ids: vec!["a".into()], whole: first.len() as u64, torn: length as u64 };
            assert_eq!(tail(text.as_bytes()), torn, "{text}");
        }
    }

    #[test]
    fn zeros_end_what_is_whole() {
        let mut bytes = line("a").into_bytes();
        let whole = bytes.len() as u64;
        bytes.extend([0; 7]);
        assert_eq!((tail(&bytes).whole, tail(&bytes).torn), (whole, 7));
        bytes.extend(line("b").bytes());
        assert_eq!((tail(&bytes).ids, tail(&bytes).whole), (vec!["a".to_owned()], whole));
        let mut inside = line("a").into_bytes();
        inside.extend(b"{\"alert_id\":\"b\0\0\0\0\"}\n");
        assert_eq!(tail(&inside).whole, whole);
    }

    #[test]
    fn what_is_not_ours_is_not_cut() {
        for foreign in ["root:x:0:0", "{\"alert\":1}", "\n[1,2", "{\"alert_id\":\"a\"}\nnotes"] {
            assert!(matches!(Tail::of(foreign.as_bytes(), 0), Err(TailError::Foreign)), "{foreign}");
        }
    }

    #[test]
    fn only_the_last_part_is_read() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("a");
        let text: String = (0..100).map(|n| line(&n.to_string())).collect();
        std::fs::write(&path, &text).expect("it is written");
        let mut file = File::open(&path).expect("it is there");
        let tail = Tail::read(&mut file, 60).expect("it is ours");
        assert_eq!((tail.ids, tail.whole), (vec!["98".to_owned(), "99".to_owned()], text.len() as u64));
        std::fs::write(&path, text.trim_end()).expect("it is written");
        assert!(matches!(Tail::read(&mut file, 5), Err(TailError::Foreign)), "no line in sight");
    }
}
