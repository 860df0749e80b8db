//! A bucket for snapshots: what `[state]` says of it, and what the environment does where that says nothing.

use std::net::IpAddr;
use std::time::Duration;

use toml::Spanned;

use crate::checkpoint::{BucketSettings, Keys};
use crate::config::raw::RawState;
use crate::config::resolve::Checker;
use crate::config::values;
use crate::secret::Secret;

const TIMEOUT: Duration = Duration::from_secs(30);
/// A partition that comes waits for its snapshot, and what comes then is not read; the group gives up on who does not
/// read for five minutes.
const TIMEOUT_MAX: Duration = Duration::from_mins(2);
const TIMEOUT_MIN: Duration = Duration::from_secs(1);
/// What servers that are not AWS mostly say that they are in.
const REGION_ELSEWHERE: &str = "us-east-1";

impl Checker<'_> {
    /// The bucket at `url`, whose text after the scheme is this.
    pub(super) fn bucket(&mut self, url: &Spanned<String>, address: &str, raw: &RawState) -> Option<BucketSettings> {
        let (bucket, prefix) = address.split_once('/').unwrap_or((address, ""));
        let prefix = prefix.trim_end_matches('/');
        let is_prefix = prefix.is_empty() || prefix.split('/').all(is_name);
        if !is_name(bucket) || bucket.len() < 3 || !is_prefix {
            let message = format!(
                "`s3://{address}`: write \"s3://bucket/prefix\", of letters, digits, `.`, `_` and `-`; where the server \
                 is stands in `endpoint`"
            );
            self.problem(url, "state.url", message);
            return None;
        }
        let endpoint = raw.endpoint.as_ref().and_then(|endpoint| self.endpoint(endpoint, raw));
        let timeout = self.duration("state.timeout", raw.timeout.as_ref(), TIMEOUT);
        if let Some(given) = raw.timeout.as_ref().filter(|_| !(TIMEOUT_MIN..=TIMEOUT_MAX).contains(&timeout)) {
            self.problem(given, "state.timeout", "1s to 2m; 30s is usual");
        }
        Some(BucketSettings {
            bucket: bucket.to_owned(),
            prefix: prefix.to_owned(),
            region: self.region(url, raw),
            // A name with dots stands in no certificate in front of the host.
            path_style: raw.path_style.as_ref().map_or(endpoint.is_some() || bucket.contains('.'), |is| *is.get_ref()),
            endpoint,
            keys: self.keys(url, raw),
            ca_file: raw.ca_file.as_ref().map(|file| self.existing(file, "state.ca_file")),
            timeout,
        })
    }

    /// What is said of a bucket where there is none.
    pub(super) fn no_bucket(&mut self, raw: &RawState) {
        let texts = [
            ("endpoint", &raw.endpoint),
            ("region", &raw.region),
            ("access_key", &raw.access_key),
            ("secret_key", &raw.secret_key),
            ("session_token", &raw.session_token),
            ("ca_file", &raw.ca_file),
            ("timeout", &raw.timeout),
        ];
        let texts = texts.map(|(field, given)| (field, given.as_ref().map(Spanned::span)));
        let flags = [("path_style", &raw.path_style), ("insecure_plaintext", &raw.insecure_plaintext)];
        let flags = flags.map(|(field, given)| (field, given.as_ref().map(Spanned::span)));
        for (field, span) in texts.into_iter().chain(flags) {
            if let Some(span) = span {
                self.at(span.start, &format!("state.{field}"), "is for a bucket: url = \"s3://bucket/prefix\"");
            }
        }
    }

    /// `https://host[:port]`. Keys of a request are signed and not shown, but what is in the snapshot is.
    fn endpoint(&mut self, given: &Spanned<String>, raw: &RawState) -> Option<String> {
        let text = given.get_ref().trim_end_matches('/');
        let (scheme, rest) = text.split_once("://").unwrap_or_default();
        let (host, port) = host_and_port(rest).unwrap_or_default();
        let is_host = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '-' | '_' | ':' | '[' | ']');
        if !matches!(scheme, "http" | "https") || host.is_empty() || !host.chars().all(is_host) || port == Some(0) {
            // It is not repeated: it may hold a password.
            self.problem(
                given,
                "state.endpoint",
                "write https:// and a host, as in \"https://minio.example.com:9000\"",
            );
            return None;
        }
        let is_plain = scheme == "http";
        let asked = raw.insecure_plaintext.as_ref().filter(|flag| *flag.get_ref());
        match asked {
            None if is_plain && !is_this_machine(host) => {
                let message = "is http://, which everybody on the way can read: write https://, or say \
                               insecure_plaintext = true";
                self.problem(given, "state.endpoint", message);
            }
            Some(asked) if !is_plain => {
                let message = "has no meaning with this endpoint: only http:// is spoken without TLS";
                self.problem(asked, "state.insecure_plaintext", message);
            }
            _ => {}
        }
        if let Some(file) = raw.ca_file.as_ref().filter(|_| is_plain) {
            self.problem(file, "state.ca_file", "is given, but the endpoint is not https://");
        }
        Some(text.to_owned())
    }

    fn region(&mut self, url: &Spanned<String>, raw: &RawState) -> String {
        let region = match &raw.region {
            Some(region) => Some(region.get_ref().clone()),
            None => environment("AWS_REGION").or_else(|| environment("AWS_DEFAULT_REGION")),
        };
        match region {
            Some(region) if is_name(&region) => region,
            None if raw.endpoint.is_some() => REGION_ELSEWHERE.to_owned(),
            _ => {
                let at = raw.region.as_ref().unwrap_or(url);
                self.problem(at, "state.region", "say where the bucket is: region = \"eu-central-1\", or AWS_REGION");
                String::new()
            }
        }
    }

    /// Those of the file, or else those of the environment: never one from here and one from there.
    fn keys(&mut self, url: &Spanned<String>, raw: &RawState) -> Keys {
        let given = [&raw.access_key, &raw.secret_key, &raw.session_token];
        if given.iter().all(|key| key.is_none()) {
            return keys_of(environment).unwrap_or_else(|message| {
                self.problem(url, "state.access_key", message);
                no_keys()
            });
        }
        let [access_key, secret_key, token] =
            [("access_key", given[0]), ("secret_key", given[1]), ("session_token", given[2])]
                .map(|(field, key)| key.as_ref().and_then(|key| self.key(&format!("state.{field}"), key)));
        for (field, key) in [("access_key", given[0]), ("secret_key", given[1])] {
            if key.is_none() {
                let message = "say both access_key and secret_key, or none of the three to have AWS_ACCESS_KEY_ID and \
                               AWS_SECRET_ACCESS_KEY";
                self.problem(url, &format!("state.{field}"), message);
            }
        }
        let none = no_keys();
        Keys {
            access_key: access_key.unwrap_or(none.access_key),
            secret_key: secret_key.unwrap_or(none.secret_key),
            session_token: token,
        }
    }

    fn key(&mut self, field: &str, given: &Spanned<String>) -> Option<Secret> {
        let read = values::secret(given.get_ref(), &self.folder).and_then(checked);
        read.map_err(|message| self.problem(given, field, message)).ok()
    }
}

fn no_keys() -> Keys {
    Keys { access_key: Secret::new("-"), secret_key: Secret::new("-"), session_token: None }
}

fn keys_of(environment: impl Fn(&str) -> Option<String>) -> Result<Keys, String> {
    let key = |name: &str| {
        let value = environment(name).ok_or_else(|| {
            format!(
                "say access_key and secret_key, or set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY: {name} is not set"
            )
        })?;
        checked(Secret::new(value)).map_err(|message| format!("{name}: {message}"))
    };
    let session_token = environment("AWS_SESSION_TOKEN").map(|_| key("AWS_SESSION_TOKEN")).transpose()?;
    Ok(Keys { access_key: key("AWS_ACCESS_KEY_ID")?, secret_key: key("AWS_SECRET_ACCESS_KEY")?, session_token })
}

/// It goes into headers, which take no line ends and no blanks at their ends.
fn checked(key: Secret) -> Result<Secret, String> {
    let fits = !key.is_empty() && key.expose().bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(key) } else { Err("is empty, or has blanks or other characters that no key has".to_owned()) }
}

/// A variable that is set to something.
fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

fn host_and_port(text: &str) -> Option<(&str, Option<u16>)> {
    let host_end = text.rfind(']').map_or(0, |at| at + 1);
    match text[host_end..].rfind(':') {
        Some(at) => Some((&text[..host_end + at], Some(text[host_end + at + 1..].parse().ok()?))),
        None => Some((text, None)),
    }
}

fn is_this_machine(host: &str) -> bool {
    let bare = host.trim_start_matches('[').trim_end_matches(']');
    bare.eq_ignore_ascii_case("localhost") || bare.parse::<IpAddr>().is_ok_and(|address| address.is_loopback())
}

/// A part of a path: no way up, nothing that has to be escaped.
fn is_name(text: &str) -> bool {
    let fits = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-');
    !text.is_empty() && text.len() <= 200 && !matches!(text, "." | "..") && text.chars().all(fits)
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::config::{StatePlace, parse};

    const CONFIG: &str = "name = \"t\"\nrules = [\".\"]\n[kafka]\nbrokers = \"a:1\"\n[[source]]\ntopic = \"e\"\n\
                          [alerts]\ntopic = \"x\"\n[state]\n";
    /// Keys that are there.
    const KEYS: &str = "access_key = \"${env:PATH}\"\nsecret_key = \"${env:PATH}\"\n";

    fn read(fields: &str) -> Result<BucketSettings, String> {
        let settings = parse(Path::new("t.toml"), &format!("{CONFIG}{fields}")).map_err(|error| error.to_string())?;
        match settings.state.place {
            Some(StatePlace::Bucket(bucket)) => Ok(*bucket),
            other => panic!("{other:?} is no bucket"),
        }
    }

    #[test]
    fn a_bucket_has_a_prefix_an_endpoint_a_region_and_keys() {
        let text = format!("url = \"s3://states/fraud/a/\"\nregion = \"eu-central-1\"\n{KEYS}");
        let aws = read(&text).expect("it is right");
        assert_eq!(
            (aws.bucket.as_str(), aws.prefix.as_str(), aws.region.as_str()),
            ("states", "fraud/a", "eu-central-1")
        );
        assert_eq!((&aws.endpoint, aws.path_style, aws.timeout), (&None, false, TIMEOUT));
        assert!(!format!("{aws:?}").contains(&std::env::var("PATH").expect("there is one")));
        let text = format!(
            "url = \"s3://states\"\nendpoint = \"https://minio.example.com:9000/\"\ntimeout = \"5s\"\n\
             session_token = \"${{env:PATH}}\"\n{KEYS}"
        );
        let own = read(&text).expect("it is right");
        assert_eq!((own.prefix.as_str(), own.path_style, own.timeout), ("", true, Duration::from_secs(5)));
        assert_eq!(own.endpoint.as_deref(), Some("https://minio.example.com:9000"));
        assert!(own.keys.session_token.is_some());
        let dotted = read(&text.replace("s3://states", "s3://my.states")).expect("it is right");
        assert!(dotted.path_style);
        let hosted = read(&format!("{text}path_style = false\n")).expect("it is right");
        assert!(!hosted.path_style);
        for this in ["localhost:9000", "127.0.0.1", "[::1]:9000"] {
            assert!(
                read(&text.replace("https://minio.example.com:9000/", &format!("http://{this}"))).is_ok(),
                "{this}"
            );
        }
        let asked = text.replace("https:", "http:") + "insecure_plaintext = true\n";
        assert!(read(&asked).is_ok());
    }

    #[test]
    fn what_is_wrong_with_a_bucket_is_told_and_no_key_is() {
        let url = "url = \"s3://states/fraud\"\n";
        let here = "endpoint = \"http://127.0.0.1:9000\"\n";
        for (text, said) in [
            (
                format!("url = \"s3:///fraud\"\n{KEYS}"),
                "t.toml:10: state.url: `s3:///fraud`: write \"s3://bucket/prefix\"",
            ),
            (format!("url = \"s3://host:9000/x\"\n{KEYS}"), "where the server is stands in `endpoint`"),
            (format!("url = \"s3://states/../x\"\n{KEYS}"), "state.url"),
            ("url = \"gs://states\"\n".to_owned(), "or a bucket, \"s3://bucket/prefix\""),
            (format!("{url}{here}access_key = \"hunter2\"\nsecret_key = \"${{env:PATH}}\""), "a secret does not stand"),
            (format!("{url}{here}access_key = \"${{env:PATH}}\""), "state.secret_key: say both"),
            (format!("{url}{here}session_token = \"${{env:PATH}}\""), "state.access_key: say both"),
            (format!("{url}{KEYS}endpoint = \"minio:9000\""), "state.endpoint: write https://"),
            (format!("{url}{KEYS}endpoint = \"https://me:hunter2@minio\""), "state.endpoint: write https://"),
            (format!("{url}{KEYS}endpoint = \"https://minio/path\""), "state.endpoint: write https://"),
            (format!("{url}{KEYS}endpoint = \"http://minio:9000\""), "state.endpoint: is http://"),
            (format!("{url}{KEYS}endpoint = \"https://minio\"\ninsecure_plaintext = true"), "has no meaning"),
            (format!("{url}{KEYS}{here}ca_file = \"Cargo.toml\""), "state.ca_file: is given"),
            (format!("{url}{KEYS}{here}region = \"eu central\""), "state.region: say where"),
            (format!("{url}{KEYS}{here}timeout = \"10m\""), "state.timeout: 1s to 2m"),
            (format!("{url}{KEYS}{here}secretkey = \"x\""), "did you mean `secret_key`?"),
            ("endpoint = \"https://minio\"".to_owned(), "state.endpoint: is for a bucket"),
            ("url = \"file:x\"\npath_style = true".to_owned(), "state.path_style: is for a bucket"),
        ] {
            let told = read(&text).expect_err(&text);
            assert!(told.contains(said) && !told.contains("hunter2"), "{said}: {told}");
        }
    }

    #[test]
    fn keys_of_the_environment_are_all_of_it_and_have_no_blanks() {
        let all = |name: &str| Some(format!("{name}-value"));
        let keys = keys_of(all).expect("all are there");
        assert_eq!(keys.access_key.expose(), "AWS_ACCESS_KEY_ID-value");
        assert_eq!(keys.secret_key.expose(), "AWS_SECRET_ACCESS_KEY-value");
        assert_eq!(keys.session_token.expect("it is there").expose(), "AWS_SESSION_TOKEN-value");
        let no_token = keys_of(|name| all(name).filter(|_| !name.contains("TOKEN"))).expect("it may be missing");
        assert_eq!(no_token.session_token, None);
        let half = keys_of(|name| all(name).filter(|_| name.contains("ID")));
        assert!(half.is_err_and(|message| message.contains("AWS_SECRET_ACCESS_KEY is not set")));
        let blank = keys_of(|name| Some(format!("{name}\nhunter2"))).expect_err("no header takes it");
        assert!(blank.contains("blanks") && !blank.contains("hunter2"), "{blank}");
    }
}
