//! Alerts as HTTP requests, signed as Standard Webhooks are. The way of an alert:
//!
//! - `settings` where it goes and with what, checked at once;
//! - `post`     the request: body, headers, `sign` the signature, and what an answer means;
//! - `client`   hands it over on one connection at a time: `address` says which addresses it may go to.
//!
//! Redirects, proxies of the environment and cookies do not exist here, and no answer is read beyond its head but to
//! keep the connection.

mod address;
mod client;
mod post;
mod settings;
mod sign;

#[cfg(test)]
mod tests;

pub(super) use post::Webhook;
pub use settings::WebhookSettings;
