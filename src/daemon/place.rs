//! Where the snapshots are: the store that the configuration names. It is chosen here and nowhere else.

use std::sync::Arc;

use crate::checkpoint::{BucketSettings, Objects, Store};
use crate::config::{Settings, StatePlace};
use crate::daemon::instance::state_folder;
use crate::daemon::outside::Outside;

/// The store of this daemon; none where no folder is configured and the system has none for it.
///
/// # Errors
///
/// In words, where the store that is configured cannot be had.
pub(super) fn store(settings: &Settings, outside: &dyn Outside) -> Result<Option<Arc<dyn Store>>, String> {
    let folder = match &settings.state.place {
        Some(StatePlace::Bucket(bucket)) => return Ok(Some(Arc::new(objects(settings, bucket)?))),
        Some(StatePlace::Folder(folder)) => Some(folder.clone()),
        None => state_folder(),
    };
    Ok(folder.map(|folder| outside.store(folder.join(&settings.name).join(BELOW))))
}

/// A bucket, as this daemon uses it.
///
/// # Errors
///
/// As above.
pub(super) fn objects(settings: &Settings, bucket: &BucketSettings) -> Result<Objects, String> {
    Objects::open(bucket, &format!("{}/{BELOW}", settings.name))
}

/// Beside them the folder of a name has the ids of its copies.
const BELOW: &str = "snapshots";
