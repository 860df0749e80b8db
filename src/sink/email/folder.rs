//! Mails as `.eml` files in a folder, for trying things out: any mail program opens them.

use std::io;
use std::path::{Path, PathBuf};

use lettre::Address;
use tokio::fs;
use tokio::io::AsyncWriteExt;

use crate::sink::email::mail::Mail;
use crate::sink::email::mailer::{Mailer, Refusal, SendError};

/// Writes each mail to a file of its own. A repeat has the same name and replaces it.
#[derive(Debug)]
pub(super) struct Folder {
    path: PathBuf,
}

impl Folder {
    /// The folder is made with the first mail.
    pub(super) fn new(path: PathBuf) -> Folder {
        Folder { path }
    }
}

impl Mailer for Folder {
    async fn send(&mut self, mail: &Mail, _to: &[Address]) -> Result<Vec<Refusal>, SendError> {
        match write(&self.path, mail).await {
            Ok(()) => Ok(Vec::new()),
            Err(error) => Err(SendError::Unreachable(format!("folder {}: {error}", self.path.display()))),
        }
    }
}

/// Writes aside and renames, so that nobody reads half a mail.
async fn write(folder: &Path, mail: &Mail) -> io::Result<()> {
    fs::create_dir_all(folder).await?;
    let aside = folder.join(format!(".{}.part", mail.file_name));
    let mut file = fs::File::create(&aside).await?;
    file.write_all(&mail.bytes).await?;
    file.sync_all().await?;
    fs::rename(&aside, folder.join(&mail.file_name)).await
}
