//! Directories, name by name.

use casemate_volume::{Attributes, Entry, Error, Volume};

/// Names that a directory itself has.
const SELF: u64 = 1;
pub const PARENT: u64 = 2;
/// Names that are read from the engine at once.
const NAMES: usize = 128;

/// Feeds the entries of a directory behind a cookie to `add` until it says that there is no more room. Names whose
/// hashes collide share a cookie: all of them fit, or the next listing begins with them.
pub fn list(
    volume: &mut Volume,
    directory: u64,
    after: u64,
    mut add: impl FnMut(&mut Volume, &Entry) -> Result<bool, Error>,
) -> Result<(), Error> {
    for entry in own_names(volume, directory, after)? {
        if add(volume, &entry)? {
            return Ok(());
        }
    }
    let mut from = after.max(PARENT);
    loop {
        let entries = volume.readdir(directory, from, NAMES)?;
        let Some(last) = entries.last() else { return Ok(()) };
        from = last.cookie;
        for entry in &entries {
            if add(volume, entry)? {
                return Ok(());
            }
        }
    }
}

fn own_names(volume: &mut Volume, directory: u64, after: u64) -> Result<Vec<Entry>, Error> {
    if after >= PARENT {
        return Ok(Vec::new());
    }
    let named = |name: &[u8], cookie, found: &Attributes| Entry {
        name: name.to_vec(),
        inode: found.inode,
        kind: found.mode,
        cookie,
    };
    let own = named(b".", SELF, &volume.lookup(directory, b".")?);
    let above = named(b"..", PARENT, &volume.lookup(directory, b"..")?);
    Ok([own, above].into_iter().filter(|entry| entry.cookie > after).collect())
}
