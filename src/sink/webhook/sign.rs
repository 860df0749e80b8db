//! The signature of a request as Standard Webhooks has it: HMAC-SHA256 over `id.timestamp.body`.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use ring::hmac;

use crate::secret::Secret;

/// What a secret begins with.
const PREFIX: &str = "whsec_";
/// The bytes of a secret: fewer can be guessed, and more are hashed down.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// Signs with one or several keys: while a secret is being replaced, the receiver may know either.
pub(super) struct Signer(Vec<hmac::Key>);

impl Signer {
    /// The keys of these secrets, `whsec_` and base64. The error says what is wrong without repeating a secret.
    pub(super) fn new(secrets: &[Secret]) -> Result<Signer, &'static str> {
        secrets.iter().map(key).collect::<Result<_, _>>().map(Signer)
    }

    /// The value of the header: the signatures, with a space between them. Nothing without a key.
    pub(super) fn sign(&self, id: &str, timestamp: u64, body: &[u8]) -> Option<String> {
        let head = format!("{id}.{timestamp}.");
        let sign = |key: &hmac::Key| {
            let mut context = hmac::Context::with_key(key);
            context.update(head.as_bytes());
            context.update(body);
            format!("v1,{}", BASE64_STANDARD.encode(context.sign()))
        };
        let signatures: Vec<String> = self.0.iter().map(sign).collect();
        (!signatures.is_empty()).then(|| signatures.join(" "))
    }
}

fn key(secret: &Secret) -> Result<hmac::Key, &'static str> {
    let text = secret.expose().strip_prefix(PREFIX).ok_or("does not begin with whsec_")?;
    let bytes = BASE64_STANDARD.decode(text).map_err(|_| "is not base64 after whsec_")?;
    if !BYTES.contains(&bytes.len()) {
        return Err("has not 24 to 64 bytes");
    }
    Ok(hmac::Key::new(hmac::HMAC_SHA256, &bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signer(secrets: &[&str]) -> Result<Signer, &'static str> {
        Signer::new(&secrets.iter().map(|secret| Secret::new(*secret)).collect::<Vec<_>>())
    }

    /// The expected value is from Python: `hmac.digest(base64.b64decode(secret), b"msg_1.1731705121." + body, "sha256")`.
    #[test]
    fn a_signature_is_what_others_compute() {
        let secret = "whsec_dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXM=";
        let signed = signer(&[secret]).expect("a key").sign("msg_1", 1_731_705_121, br#"{"test":2432232314}"#);
        assert_eq!(signed.as_deref(), Some("v1,C9ooeKK2cNx9+yOOhTfyP+6sdzRhcHH9ZrjVZzhtWwE="));
    }

    #[test]
    fn each_key_signs_and_none_is_no_signature() {
        let key = "whsec_dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXM=";
        let other = "whsec_dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXo=";
        let both = signer(&[key, other]).expect("keys").sign("a", 1, b"x").expect("signatures");
        let alone = |secret| signer(&[secret]).expect("a key").sign("a", 1, b"x").expect("a signature");
        assert_eq!(both, format!("{} {}", alone(key), alone(other)));
        assert_eq!(signer(&[]).expect("no key").sign("a", 1, b"x"), None);
    }

    #[test]
    fn what_is_no_secret_is_refused_and_not_repeated() {
        for wrong in
            ["hunter2", "whsec_", "whsec_!!!", "whsec_c2hvcnQ=", "dHJpcGxpbmUtdGVzdC1zZWNyZXQtb2YtMzItYnl0ZXM="]
        {
            assert!(signer(&[wrong]).is_err_and(|error| !error.contains(wrong)), "{wrong}");
        }
    }
}
