//! Where a volume is written anew under another key: in a folder beside its own.

use std::path::{Path, PathBuf};

use crate::Error;

/// What is added to the name of a volume's folder.
const ADDED: &str = ".rekey";

/// The folder beside a volume's in which it is written anew under another key, and in which the old one lies for a
/// moment; `None` for a path that ends without a name.
#[must_use]
pub fn rekeyed_beside(folder: &Path) -> Option<PathBuf> {
    let mut name = folder.file_name()?.to_owned();
    name.push(ADDED);
    Some(folder.with_file_name(name))
}

/// What to do about a volume that is refused like this, where rekeying it may have been interrupted.
#[must_use]
pub fn interrupted_rekey(folder: &Path, refused: &Error) -> Option<String> {
    if !matches!(
        refused,
        Error::Tampered { .. } | Error::RolledBack { .. } | Error::WrongVolume { .. }
    ) {
        return None;
    }
    let beside = rekeyed_beside(&folder.canonicalize().ok()?)?;
    beside.is_dir().then(|| {
        format!(
            "{} lies beside it: rekeying was interrupted; finish it with the same casemate volume rekey",
            beside.display()
        )
    })
}
