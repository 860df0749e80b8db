//! Rules over the account events.

use crate::workload::events::country_name;

/// The events' declarations, and five rules over them.
pub const RULES: &str = r#"event login         user_id text, country text, ip ip, device.id text, location point
event login_failed  user_id text, country text, ip ip, device.id text
event purchase      user_id text, country text, ip ip, card_id text, amount number, merchant.id text, merchant.category text
event add_to_cart   user_id text, country text, ip ip, device.id text, sku text
event page_view     user_id text, country text, ip ip, device.id text, page text
event password_change  user_id text, country text, ip ip, device.id text
event transfer      user_id text, country text, ip ip, device.id text, amount number, recipient text

rule country_hop "Login, then a purchase from another country"
  for each user_id
  on every login a
  then purchase b where country is not a.country
  within 5 minutes
  alert high score 40 "{user_id}: login from {a.country}, purchase from {b.country}"

rule failed_burst "Five failed logins in a minute"
  for each user_id
  on 5 login_failed
  within 1 minute
  alert medium score 15

rule cart_abandoned "A cart without a purchase"
  for each user_id
  on every add_to_cart
  then no purchase within 10 minutes
  alert low

rule takeover "Failed logins, a login, a large purchase"
  for each user_id
  on 3 login_failed
  then login
  then purchase where amount > 100
  within 10 minutes
  alert critical score 60

rule spend_velocity "More than 500 spent in ten minutes"
  for each user_id
  on purchase where sum(purchase.amount) over 10 minutes > 500
  alert medium score 20
"#;

/// What goes with [`RULES`] where a measure is wanted too.
pub const MEASURE: &str = r"
measure purchases_by_country
  for each country
  on purchase
  over 1 minute every 1 minute
  emit count() as purchases
";

/// The declarations of [`RULES`] alone.
pub fn declarations() -> &'static str {
    RULES.split_inclusive("\n\n").next().unwrap_or_default()
}

/// The declarations with one of [`RULES`], or without any where none is called so.
///
/// ```
/// assert!(tripline::workload::rule_alone("takeover").contains("then login\n"));
/// ```
pub fn rule_alone(name: &str) -> String {
    let items = RULES.split_inclusive("\n\n").skip(1);
    let opening = format!("rule {name} ");
    declarations().chars().chain(items.filter(|item| item.starts_with(&opening)).flat_map(str::chars)).collect()
}

/// Rules on one event each, with constants of their own: a fifth each on a merchant and an amount, an amount alone, a
/// device, a recipient and an amount, and a page. They alert rarely, however many there are.
pub fn filters(count: usize) -> String {
    let filter = |n: usize| {
        let condition = match n % 5 {
            0 => format!("purchase where merchant.id is \"m{:04}\" and amount > {}", n / 5 % 5_000, 200 + n % 97),
            1 => format!("purchase where amount > {}.{:03}", 940 + n / 1_000 % 10, n % 1_000),
            2 => format!("login where device.id is \"d{:07}{}\"", n * 7, n % 3),
            3 => format!("transfer where recipient is \"u{:07}\" and amount > {}", n * 3, 100 + n % 83),
            _ => format!("page_view where page is \"/catalogue/items/{:06}\"", n * 11),
        };
        format!("rule filter_{n}\n  for each user_id\n  on {condition}\n  alert low\n\n")
    };
    with_declarations((0..count).map(filter))
}

/// Variants of `country_hop` with a constant of their own on the login. Where the events have as many countries as
/// there are variants, each login starts one run.
pub fn hops_from(count: usize) -> String {
    let variant = |n: usize| {
        let country = country_name(n as u64);
        format!(
            "rule hop_{n}\n  for each user_id\n  on every login a where country is \"{country}\"\n  \
             then purchase b where country is not a.country\n  within 5 minutes\n  alert high\n\n"
        )
    };
    with_declarations((0..count).map(variant))
}

/// Variants of `country_hop` with the same first step, which every login starts, and an amount of their own on the
/// purchase: from 40 to 890, evenly.
pub fn hops_over(count: usize) -> String {
    let variant = |n: usize| {
        let cents = 4_000 + 85_000 * n / count;
        format!(
            "rule hop_{n}\n  for each user_id\n  on every login a\n  \
             then purchase b where country is not a.country and amount > {}.{:02}\n  \
             within 5 minutes\n  alert high\n\n",
            cents / 100,
            cents % 100
        )
    };
    with_declarations((0..count).map(variant))
}

fn with_declarations(rules: impl Iterator<Item = String>) -> String {
    std::iter::once(declarations().to_owned()).chain(rules).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::RuleSet;

    fn rules_of(text: String) -> usize {
        let set = RuleSet::from_texts([("workload.rules".to_owned(), text)]);
        set.program().unwrap_or_else(|| panic!("{:?}", set.checked.diagnostics)).rules.len()
    }

    #[test]
    fn all_rules_are_right() {
        assert_eq!(rules_of(format!("{RULES}{MEASURE}")), 5);
        assert_eq!(rules_of(rule_alone("spend_velocity")), 1);
        assert_eq!(rules_of(rule_alone("country")), 0);
        assert_eq!([filters(50), hops_from(50), hops_over(50)].map(rules_of), [50, 50, 50]);
    }
}
