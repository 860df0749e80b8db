//! Snapshots: the state of a shard on disk, or in a store over the network, as of a committed offset.
//!
//! ```text
//! shard -> bytes -> snapshot (form, version, checksum) -> writer (a thread) -> store (written aside, synced, renamed)
//! ```
//! - `snapshot` the form of a file, and what is wrong with one that cannot be read;
//! - `store`    where files are kept; `disk` what it asks of a file system;
//! - `objects`  the same in a bucket, for copies on several machines;
//! - `writer`   puts them there while detection goes on.
//!
//! What the bytes of a state mean only the engine knows. Which snapshot belongs to a committed offset stands in the
//! offset's metadata (`daemon`), so a file that nobody names is never taken up, whatever lies there.

mod disk;
mod objects;
mod snapshot;
mod store;
mod writer;

pub use disk::{Disk, Growing, SystemDisk};
pub use objects::{BucketSettings, Keys, Objects};
pub use snapshot::{Input, Snapshot, SnapshotError};
pub use store::{Folder, Store};
pub use writer::{Writer, Written};
