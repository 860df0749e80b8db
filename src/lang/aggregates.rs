//! The aggregates of the language: their names, and what the manual says of each.
//!
//! What they compute stands in the engine, where they may stand in `check`. Of both nothing is known here.

/// An aggregate of the language.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub name: &'static str,
    /// What stands between its brackets.
    pub arguments: &'static str,
    /// What it takes: the kinds of values.
    pub takes: &'static str,
    /// The kind of its result.
    pub result: &'static str,
    /// What it gives, in a sentence or two.
    pub doc: &'static str,
    /// An example, as a condition writes it.
    pub example: &'static str,
}

/// All aggregates, in the order of the manual.
pub static ALL: &[Definition] = &[
    Definition {
        name: "count",
        arguments: "events",
        takes: "events",
        result: "integer",
        doc: "How many events there are, whatever their fields hold. Of nothing it is 0.",
        example: "count(login_failed) over 10 minutes >= 5",
    },
    Definition {
        name: "sum",
        arguments: "value",
        takes: "integers, numbers, numbers with a unit",
        result: "as its values",
        doc: "The sum. Of integers it is exact, and missing where it does not fit 64 bits. Of numbers it is \
              exact too and rounded once, when it is read, so it does not drift however many events come and go.",
        example: "sum(purchase.amount) over 10 minutes > 500",
    },
    Definition {
        name: "average",
        arguments: "value",
        takes: "integers, numbers, numbers with a unit",
        result: "number",
        doc: "The arithmetic mean: the sum by the number of values that are not missing.",
        example: "average(purchase.amount) over the last 20 < 3",
    },
    Definition {
        name: "minimum",
        arguments: "value",
        takes: "integers, numbers, numbers with a unit, text, times, addresses",
        result: "as its values",
        doc: "The least value. Text is ordered by its bytes.",
        example: "minimum(purchase.amount) over 1 hour < 1",
    },
    Definition {
        name: "maximum",
        arguments: "value",
        takes: "integers, numbers, numbers with a unit, text, times, addresses",
        result: "as its values",
        doc: "The greatest value. Text is ordered by its bytes.",
        example: "amount > 3 * maximum(purchase.amount) over the previous 30 days",
    },
    Definition {
        name: "distinct",
        arguments: "value",
        takes: "everything but points and lists",
        result: "integer",
        doc: "How many different values there are. A missing value is none of them. Of nothing it is 0.",
        example: "distinct(login.country) over 1 hour >= 3",
    },
    Definition {
        name: "percentile",
        arguments: "p, value",
        takes: "integers, numbers, numbers with a unit, text, times, addresses",
        result: "as its values",
        doc: "The value below which p percent of the values lie, by nearest rank: of n ascending values the one at \
              position p / 100 * n, rounded up, and at least the first. `p` is a constant from 0 to 100; the median is \
              `percentile(50, …)`. The result is always one of the values, never something between two of them.",
        example: "amount > percentile(95, purchase.amount) over the previous 30 days",
    },
    Definition {
        name: "deviation",
        arguments: "value",
        takes: "integers, numbers, numbers with a unit",
        result: "number",
        doc: "The standard deviation of the population: of one value it is 0.",
        example: "deviation(purchase.amount) over the last 50 > 100",
    },
    Definition {
        name: "first",
        arguments: "value",
        takes: "every kind",
        result: "as its values",
        doc: "The value of the oldest event at which it is not missing.",
        example: "first(login.country) over 1 day is not country",
    },
    Definition {
        name: "last",
        arguments: "value",
        takes: "every kind",
        result: "as its values",
        doc: "The value of the newest event at which it is not missing.",
        example: "last(login.device.id) over the previous 7 days is not device.id",
    },
];

/// Whether an aggregate has this name.
pub fn is_one(name: &str) -> bool {
    ALL.iter().any(|definition| definition.name == name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_is_documented_and_its_example_calls_it() {
        for Definition { name, doc, example, .. } in ALL {
            assert!(is_one(name) && doc.ends_with('.') && example.contains(&format!("{name}(")), "{name}");
        }
        assert!(!is_one("mean"));
    }
}
