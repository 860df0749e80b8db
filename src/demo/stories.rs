//! What is planted: frauds, and their harmless doubles, which must stay without an alert.
//!
//! Each story has a user of its own and takes at most [`LONGEST_MS`], the cart's deadline included.

use Act::{AddToCart, Login, LoginFailed, PasswordChange, Purchase, StepUpOk, Transfer};
use serde_json::{Value as Json, json};

/// A place: its country and its coordinates.
pub(super) type Place = (&'static str, f64, f64);

pub(super) const BERLIN: Place = ("DE", 52.52, 13.405);
pub(super) const PARIS: Place = ("FR", 48.8566, 2.3522);
pub(super) const TOKYO: Place = ("JP", 35.6762, 139.6503);
pub(super) const MADRID: Place = ("ES", 40.4168, -3.7038);
const POTSDAM: Place = ("DE", 52.39, 13.06);

/// The longest story, up to the moment at which it is decided.
pub(super) const LONGEST_MS: u64 = 3_200;

/// A user's doings.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Story {
    /// Whose they are.
    pub user: &'static str,
    /// The rule that must find it; none for a harmless one.
    pub rule: Option<&'static str>,
    /// What happens, for people.
    pub what: &'static str,
    /// What is done, and how many ms after the story's begin.
    pub(super) acts: &'static [(u64, Act)],
}

/// Something that a user does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Act {
    Login(Place),
    LoginFailed(Place),
    Purchase(Place, f64),
    AddToCart,
    PasswordChange,
    Transfer(f64),
    StepUpOk,
    PageView,
}

impl Act {
    /// The event's type, and its fields beside time, id and user.
    pub(super) fn event(self, user: &str) -> (&'static str, Json) {
        match self {
            Act::Login((country, latitude, longitude)) => {
                ("login", json!({ "country": country, "location": { "latitude": latitude, "longitude": longitude } }))
            }
            Act::LoginFailed((country, ..)) => {
                ("login_failed", json!({ "country": country, "reason": "bad_password" }))
            }
            Act::Purchase((country, ..), amount) => {
                ("purchase", json!({ "country": country, "card_id": format!("card-{user}"), "amount": amount }))
            }
            Act::AddToCart => ("add_to_cart", json!({ "sku": "espresso-machine" })),
            Act::PasswordChange => ("password_change", json!({ "channel": "settings" })),
            Act::Transfer(amount) => ("transfer", json!({ "amount": amount, "recipient": "mule-77" })),
            Act::StepUpOk => ("step_up_ok", json!({ "method": "app" })),
            Act::PageView => ("page_view", json!({ "page": "/catalogue" })),
        }
    }
}

/// All of them, in the order in which they begin.
pub const STORIES: [Story; 12] = [
    Story {
        user: "anna",
        rule: Some("country_hop"),
        what: "logs in in Germany; two seconds later somebody buys in France",
        acts: &[(0, Login(BERLIN)), (2_000, Purchase(PARIS, 74.9))],
    },
    Story {
        user: "ines",
        rule: None,
        what: "sends money after a new password, and confirmed it on her phone",
        acts: &[(0, PasswordChange), (800, StepUpOk), (1_600, Transfer(900.0))],
    },
    Story { user: "farid", rule: Some("cart_abandoned"), what: "fills a cart and goes away", acts: &[(0, AddToCart)] },
    Story {
        user: "bruno",
        rule: Some("failed_burst"),
        what: "has five wrong passwords within two seconds",
        acts: &[
            (0, LoginFailed(BERLIN)),
            (450, LoginFailed(BERLIN)),
            (900, LoginFailed(BERLIN)),
            (1_350, LoginFailed(BERLIN)),
            (1_800, LoginFailed(BERLIN)),
        ],
    },
    Story {
        user: "jonas",
        rule: None,
        what: "forgot his password, four times, then buys a book",
        acts: &[
            (0, LoginFailed(BERLIN)),
            (400, LoginFailed(BERLIN)),
            (800, LoginFailed(BERLIN)),
            (1_200, LoginFailed(BERLIN)),
            (1_800, Login(BERLIN)),
            (2_400, Purchase(BERLIN, 19.9)),
        ],
    },
    Story {
        user: "carla",
        rule: Some("takeover"),
        what: "has her password guessed at the third attempt and pays for it",
        acts: &[
            (0, LoginFailed(MADRID)),
            (500, LoginFailed(MADRID)),
            (1_000, LoginFailed(MADRID)),
            (1_600, Login(MADRID)),
            (2_500, Purchase(MADRID, 480.0)),
        ],
    },
    Story {
        user: "marco",
        rule: None,
        what: "logs in in Berlin and in Potsdam, 27 km away",
        acts: &[(0, Login(BERLIN)), (1_500, Login(POTSDAM))],
    },
    Story {
        user: "elena",
        rule: Some("impossible_travel"),
        what: "logs in in Berlin, and in Tokyo two seconds later",
        acts: &[(0, Login(BERLIN)), (2_000, Login(TOKYO))],
    },
    Story {
        user: "lena",
        rule: None,
        what: "buys four stamps, then a bicycle",
        acts: &[
            (0, Purchase(BERLIN, 0.95)),
            (500, Purchase(BERLIN, 0.95)),
            (1_000, Purchase(BERLIN, 0.95)),
            (1_500, Purchase(BERLIN, 0.95)),
            (2_200, Purchase(BERLIN, 640.0)),
        ],
    },
    Story {
        user: "dmitri",
        rule: Some("card_testing"),
        what: "has a stolen card tried with five tiny payments, then drained",
        acts: &[
            (0, Purchase(PARIS, 0.5)),
            (400, Purchase(PARIS, 0.7)),
            (800, Purchase(PARIS, 0.5)),
            (1_200, Purchase(PARIS, 1.1)),
            (1_600, Purchase(PARIS, 0.9)),
            (2_400, Purchase(PARIS, 899.0)),
        ],
    },
    Story {
        user: "karim",
        rule: None,
        what: "thinks about his cart for two seconds, and buys",
        acts: &[(0, AddToCart), (2_000, Purchase(BERLIN, 249.0))],
    },
    Story {
        user: "gina",
        rule: Some("new_password_drain"),
        what: "has her password changed and her money sent away",
        acts: &[(0, PasswordChange), (1_800, Transfer(1_900.0))],
    },
];
