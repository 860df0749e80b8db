//! "Did you mean": the candidate nearest to what was written.

/// The candidate nearest to `written` by edits of one letter (insert, delete, replace, swap of neighbours), ignoring
/// case; the first of equals wins. Where even the nearest is too far to be meant: the one candidate of which `written`
/// is a whole part, as `category` is of `merchant.category`.
pub fn closest<'a>(written: &str, candidates: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let written = written.to_lowercase();
    // Of a name of one letter nothing is left when that is wrong.
    let limit = written.chars().count().max(3).div_ceil(3).min(4).min(written.chars().count().saturating_sub(1));
    let candidates: Vec<&str> = candidates.into_iter().collect();
    let near = candidates.iter().map(|candidate| (nearness(&written, &candidate.to_lowercase()), *candidate));
    let nearest = near.filter(|(distance, _)| *distance <= limit).min_by_key(|(distance, _)| *distance);
    nearest.map(|(_, candidate)| candidate).or_else(|| whole_part(&written, &candidates))
}

/// The only candidate that has the word between its dots and underscores.
fn whole_part<'a>(written: &str, candidates: &[&'a str]) -> Option<&'a str> {
    let has_part = |candidate: &&&str| candidate.split(['.', '_']).any(|part| part.eq_ignore_ascii_case(written));
    let mut found = candidates.iter().filter(has_part);
    match (found.next(), found.next()) {
        (Some(only), None) => Some(only),
        _ => None,
    }
}

/// The distance; a word of three letters or more that begins the other is as near as one edit: `user` means `user_id`.
fn nearness(written: &str, candidate: &str) -> usize {
    let begins = written.len() >= 3 && candidate.starts_with(written);
    distance(written, candidate).min(if begins { 1 } else { usize::MAX })
}

/// The optimal string alignment distance (Damerau 1964, Levenshtein 1966).
fn distance(a: &str, b: &str) -> usize {
    let (a, b): (Vec<char>, Vec<char>) = (a.chars().collect(), b.chars().collect());
    let mut before_last = vec![0; b.len() + 1];
    let mut last: Vec<usize> = (0..=b.len()).collect();
    for i in 1..=a.len() {
        let mut row = vec![i; b.len() + 1];
        for j in 1..=b.len() {
            let replaced = last[j - 1] + usize::from(a[i - 1] != b[j - 1]);
            row[j] = replaced.min(last[j] + 1).min(row[j - 1] + 1);
            if i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] {
                row[j] = row[j].min(before_last[j - 2] + 1);
            }
        }
        before_last = std::mem::replace(&mut last, row);
    }
    last[b.len()]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_the_nearest_and_refuses_the_far() {
        assert_eq!(closest("contry", ["amount", "country"]), Some("country"));
        assert_eq!(closest("wihtin", ["within", "where"]), Some("within"));
        assert_eq!(closest("USER_ID", ["user_id"]), Some("user_id"));
        assert_eq!(closest("user", ["amount", "user_id"]), Some("user_id"));
        assert_eq!(closest("zzz", ["amount", "country"]), None);
        assert_eq!(closest("b", ["a"]), None);
        assert_eq!(closest("B", ["a", "b"]), Some("b"));
    }

    #[test]
    fn finds_the_name_of_which_a_part_is_written() {
        assert_eq!(closest("category", ["merchant.id", "merchant.category"]), Some("merchant.category"));
        assert_eq!(closest("id", ["merchant.id", "device.id"]), None);
    }
}
