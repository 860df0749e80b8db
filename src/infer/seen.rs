//! What a field has held so far, and the kind that follows from it.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use jiff::Timestamp;

use crate::infer::json::Json;
use crate::schema::Kind;

/// The values of a field, counted by their forms.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    nulls: u64,
    booleans: u64,
    integers: u64,
    /// Of these, how many may be ms since the epoch.
    instants: u64,
    numbers: u64,
    texts: u64,
    /// Of these, how many are addresses.
    addresses: u64,
    /// Of these, how many are RFC 3339.
    times: u64,
    objects: u64,
    /// Of these, how many have a latitude and a longitude.
    places: u64,
    lists: u64,
    /// Of these, how many may be a longitude and a latitude.
    pairs: u64,
    /// What stands in the lists.
    elements: Option<Box<Seen>>,
}

/// What is to be declared of a field.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    /// The kind; none where nothing can be declared.
    pub(super) kind: Option<Kind>,
    /// What there is to say.
    pub(super) note: Option<String>,
}

/// The years 2000 to 2100, in ms.
const PLAUSIBLE_MS: RangeInclusive<i64> = 946_684_800_000..=4_102_444_800_000;

impl Seen {
    /// Counts a value.
    pub(super) fn add(&mut self, value: &Json) {
        match value {
            Json::Null => self.nulls += 1,
            Json::Boolean => self.booleans += 1,
            Json::Integer(n) => {
                self.integers += 1;
                self.instants += u64::from(PLAUSIBLE_MS.contains(n));
            }
            Json::Number(_) => self.numbers += 1,
            Json::Text(text) => {
                self.texts += 1;
                self.addresses += u64::from(text.parse::<IpAddr>().is_ok());
                self.times += u64::from(text.parse::<Timestamp>().is_ok());
            }
            Json::Object(_) => {
                self.objects += 1;
                let [latitude, longitude] = ["latitude", "longitude"].map(|name| value.at(name));
                self.places += u64::from(is_place(latitude, longitude));
            }
            Json::List(elements) => {
                self.lists += 1;
                if let [longitude, latitude] = elements.as_slice() {
                    self.pairs += u64::from(is_place(Some(latitude), Some(longitude)));
                }
                let seen = self.elements.get_or_insert_default();
                for element in elements {
                    seen.add(element);
                }
            }
        }
    }

    /// Whether every object was a place: then its two fields are no fields of their own.
    pub(super) fn is_place(&self) -> bool {
        self.objects > 0 && self.objects == self.places
    }

    /// What is to be declared of a field of this name.
    pub(super) fn verdict(&self, name: &str) -> Verdict {
        let kinds = self.kinds(name);
        match kinds.as_slice() {
            [] if self.objects > 0 => Verdict { kind: None, note: None },
            [] if self.lists > 0 => self.no_elements(),
            [] => Verdict { kind: None, note: Some("only null was seen, so its kind is not known".to_owned()) },
            [one] if self.objects == 0 || self.is_place() => Verdict { kind: Some(one.clone()), note: None },
            several => Verdict { kind: Some(settled(several)), note: Some(format!("seen as {}", self.forms())) },
        }
    }

    /// The kinds of all values that are not null; objects that are no places have none.
    fn kinds(&self, name: &str) -> Vec<Kind> {
        let mut kinds = Vec::new();
        let is_time = is_called_time(name);
        if self.booleans > 0 {
            kinds.push(Kind::Boolean);
        }
        if self.numbers > 0 {
            kinds.push(Kind::Number);
        } else if self.integers > 0 {
            kinds.push(if is_time && self.instants == self.integers { Kind::Time } else { Kind::Integer });
        }
        if self.texts > 0 {
            let kind = match self.texts {
                all if all == self.addresses => Kind::Ip,
                all if all == self.times => Kind::Time,
                _ => Kind::Text,
            };
            kinds.push(kind);
        }
        if self.is_place() || (self.lists > 0 && self.lists == self.pairs && is_called_place(name)) {
            kinds.push(Kind::Point);
        }
        let pairs_are_places = self.lists == self.pairs && is_called_place(name);
        if self.lists > 0 && !pairs_are_places {
            kinds.extend(self.list_kind());
        }
        kinds.dedup();
        kinds
    }

    /// The kind of the lists; none where no element has one.
    fn list_kind(&self) -> Option<Kind> {
        let elements = self.elements.as_ref()?;
        let kind = elements.verdict("").kind?;
        Some(Kind::List(Box::new(kind)))
    }

    fn no_elements(&self) -> Verdict {
        let elements = self.elements.as_deref().cloned().unwrap_or_default();
        let note = match (elements.objects, elements.lists + elements.nulls) {
            (0, 0) => "a list that was always empty, so what it holds is not known",
            (0, _) => "a list without a value, so what it holds is not known",
            _ => "a list of objects, which rules cannot read",
        };
        Verdict { kind: None, note: Some(note.to_owned()) }
    }

    /// `text 3 times, integer once`
    fn forms(&self) -> String {
        let forms = [
            (self.booleans, "boolean"),
            (self.integers, "integer"),
            (self.numbers, "number"),
            (self.texts, "text"),
            (self.objects, "object"),
            (self.lists, "list"),
        ];
        let forms = forms.into_iter().filter(|(count, _)| *count > 0);
        forms.map(|(count, form)| format!("{form} {}", times(count))).collect::<Vec<_>>().join(", ")
    }
}

/// `once`, `3 times`.
fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

/// The kind of a field whose values are of several. A list's elements count too: what is of another kind than declared
/// is missing, and text is what most values can be compared as.
fn settled(kinds: &[Kind]) -> Kind {
    match kinds {
        [one] => one.clone(),
        _ => Kind::Text,
    }
}

fn is_place(latitude: Option<&Json>, longitude: Option<&Json>) -> bool {
    let within = |json: Option<&Json>, limit: f64| json.and_then(Json::number).is_some_and(|n| n.abs() <= limit);
    within(latitude, 90.0) && within(longitude, 180.0)
}

/// Whether a field's name says that it holds a time: `ts`, `created_at`, `eventTime`.
fn is_called_time(name: &str) -> bool {
    let whole = ["time", "ts", "at", "timestamp", "date", "datetime"];
    words(name).last().is_some_and(|last| whole.contains(&last.as_str()) || last.ends_with("time"))
}

/// Whether a field's name says that it holds a place.
fn is_called_place(name: &str) -> bool {
    let places = ["location", "position", "point", "coordinate", "coordinates", "coords", "geo", "place", "lonlat"];
    words(name).iter().any(|word| places.contains(&word.as_str()))
}

/// The words of a name: `created_at`, `createdAt` and `CREATED-AT` are created, at.
fn words(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = ' ';
    for c in name.chars() {
        if !c.is_alphanumeric() || (c.is_uppercase() && before.is_lowercase()) {
            words.push(String::new());
        }
        if c.is_alphanumeric() {
            words.last_mut().expect("there is one").extend(c.to_lowercase());
        }
        before = c;
    }
    words.retain(|word| !word.is_empty());
    words
}
