//! What the files and topics of lists and tables hold: bytes to rows by key.
//!
//! ```text
//! file -> sheet (CSV or NDJSON: names and cells) -> kinds (as declared, or as the cells show) -> rows
//! ```
//! - `change`  a message of a table's topic to the change of a row;
//! - `load`    a file to its contents, or all that is wrong with it;
//! - `sheet`   CSV and NDJSON as rows of cells;
//! - `topic`   the messages of such a topic to rows;
//! - `kind`    cells to values, and which kind all cells of a column are of.
//!
//! Used when rules are loaded and again when a file has changed. Rules are not known here.

mod change;
mod kind;
mod load;
mod sheet;
mod topic;

pub use change::{ChangeError, ChangeReader, TableChange};
pub use kind::value_of_json;
pub use load::{DuplicateKeys, Limits, Loaded, Problem, Spec, load};
pub use topic::{RefusedChange, TopicTable};
