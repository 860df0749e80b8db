//! Risks.

use super::*;

const RULES: &str = "rule a for each k on A alert high score 30
                     rule b for each k on B where x > 1 alert high score 50
                     rule none for each k on B alert high
                     rule other for each k2 on A alert high score 99";

fn totals(risk: &str, events: &str) -> String {
    let file = file(&format!("{RULES} {risk}"));
    let matches = evaluate(&[file], &stream(events), &Tables::new(), End::LastEvent);
    let of_risk = matches.iter().filter(|m| m.rule == "risk");
    let one = |m: &Match| format!("{}={}", written(std::slice::from_ref(m)), m.values[0].1);
    of_risk.map(one).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_risk_sums_the_scores_of_the_alerts_with_its_key() {
    let risk = "risk risk for each k over 10 m where total >= 80 alert high";
    assert_eq!(totals(risk, "A@0 B@1:1 B@2:2 A@3/k2 A@4"), "2:b2=80 4:a4=110");
}

#[test]
fn a_risk_forgets_what_is_older() {
    let risk = "risk risk for each k over 10 m where total >= 60 alert high";
    assert_eq!(totals(risk, "A@0 A@9 A@10"), "9:a1=60 10:a2=60");
    assert_eq!(totals(risk, "A@0 A@10"), "");
}

#[test]
fn a_risk_names_its_key_and_is_suppressed() {
    let risk = "risk risk for each k over 10 m where total > 0 and k is \"k1\" alert high at most once per 5 m";
    assert_eq!(totals(risk, "A@0 A@1/k2 A@2 A@5"), "0:a0=30 5:a3+1=90");
}

#[test]
fn suppressed_alerts_have_no_score() {
    let file = file(
        "rule a for each k on A alert high score 1.5 at most once per 5 minutes
         risk risk for each k over 1 h where total > 1.5 alert high",
    );
    let matches = evaluate(&[file], &stream("A@0 A@1 A@5"), &Tables::new(), End::LastEvent);
    assert_eq!(written(&matches), "0:0 5:2+1 5:a2");
    assert_eq!(matches[2].values, [("total".into(), json!(3.0))]);
}
