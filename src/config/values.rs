//! Values of the configuration that TOML has no type for: durations, secrets, instants.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::secret::Secret;

/// What is said of a secret that stands in the file.
pub(super) const SECRET_IN_FILE: &str =
    "a secret does not stand in the configuration: write `${env:NAME}` or `${file:PATH}`";

const UNITS: [(&str, u64); 6] =
    [("ms", 1), ("s", 1_000), ("min", 60_000), ("m", 60_000), ("h", 3_600_000), ("d", 86_400_000)];

const SIZES: [(&str, usize); 4] = [("KiB", 1 << 10), ("MiB", 1 << 20), ("GiB", 1 << 30), ("TiB", 1 << 40)];

/// `500ms`, `2s`, `5m`, `1h`, `1d`; spaces between number and unit are read.
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text[digits..].trim();
    let wrong = || format!("`{text}` is not a duration: write 500ms, 2s, 5m or 1h");
    let number: u64 = text[..digits].parse().map_err(|_| wrong())?;
    let (_, ms) = UNITS.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    let ms = number.checked_mul(*ms).filter(|ms| *ms <= 366 * 86_400_000);
    ms.map(Duration::from_millis).ok_or_else(|| format!("`{text}` is more than a year"))
}

/// A duration in the form in which event time is counted.
pub(super) fn milliseconds(duration: Duration) -> i64 {
    i64::try_from(duration.as_millis()).expect("durations are at most a year")
}

/// `512MiB`, `2GiB`; spaces between number and unit are read.
pub(super) fn bytes(text: &str) -> Result<usize, String> {
    let digits = text.bytes().take_while(u8::is_ascii_digit).count();
    let unit = text[digits..].trim();
    let wrong = || format!("`{text}` is not a size: write 512MiB or 2GiB");
    let number: usize = text[..digits].parse().map_err(|_| wrong())?;
    let (_, bytes) = SIZES.iter().find(|(name, _)| *name == unit).ok_or_else(wrong)?;
    number.checked_mul(*bytes).ok_or_else(|| format!("`{text}` is more than any machine has"))
}

/// An RFC 3339 instant in ms.
pub(super) fn instant(text: &str) -> Option<i64> {
    text.parse::<Timestamp>().ok().map(Timestamp::as_millisecond)
}

/// What a text stands for: `${env:NAME}` and `${file:PATH}` are looked up, other texts are themselves.
pub(super) fn expand(text: &str, folder: &Path) -> Result<Secret, String> {
    let Some(reference) = reference(text) else {
        return if text.contains("${") {
            Err("`${…}` must be the whole value: `${env:NAME}` or `${file:PATH}`".to_owned())
        } else {
            Ok(Secret::new(text))
        };
    };
    if let Some(name) = reference.strip_prefix("env:") {
        return std::env::var(name).map(Secret::new).map_err(|_| format!("the environment variable {name} is not set"));
    }
    if let Some(path) = reference.strip_prefix("file:") {
        let path = folder.join(path);
        return std::fs::read_to_string(&path)
            .map(|text| Secret::new(text.trim_end_matches(['\r', '\n'])))
            .map_err(|error| format!("cannot read {}: {error}", path.display()));
    }
    Err("secrets are `${env:NAME}` or `${file:PATH}`".to_owned())
}

/// As [`expand`], for what must not stand in the file itself.
pub(super) fn secret(text: &str, folder: &Path) -> Result<Secret, String> {
    if !is_reference(text) {
        return Err(SECRET_IN_FILE.to_owned());
    }
    expand(text, folder)
}

/// Whether a text stands for one that is kept elsewhere.
pub(super) fn is_reference(text: &str) -> bool {
    reference(text).is_some()
}

fn reference(text: &str) -> Option<&str> {
    text.strip_prefix("${")?.strip_suffix('}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_have_a_unit() {
        assert_eq!(duration("500ms"), Ok(Duration::from_millis(500)));
        assert_eq!(duration("2 s"), Ok(Duration::from_secs(2)));
        assert_eq!(duration("5m"), Ok(Duration::from_mins(5)));
        for wrong in ["", "2", "s", "-1s", "2 sekonds", "99999999999999999999s", "1000000h"] {
            assert!(duration(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sizes_have_a_unit() {
        assert_eq!((bytes("512MiB"), bytes("2 GiB")), (Ok(512 << 20), Ok(2 << 30)));
        for wrong in ["", "2", "GiB", "2GB", "-1MiB", "99999999999999TiB"] {
            assert!(bytes(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn a_secret_is_never_written_out() {
        let here = Path::new(".");
        assert!(secret("hunter2", here).is_err_and(|message| !message.contains("hunter2")));
        assert!(expand("a ${env:X}", here).is_err());
        assert!(expand("${exec:rm}", here).is_err());
        assert_eq!(expand("plain", here).expect("a text is itself").expose(), "plain");
    }
}
