//! What a file loses when somebody changes it: the kernel leaves that to us (FUSE_HANDLE_KILLPRIV_V2), so that it need
//! not ask for attributes before each write.

use std::collections::HashSet;

use casemate_volume::{Attributes, Changes, Error, Volume};
use rustix::fs::FileType;

/// Name of the attribute that holds file capabilities (capabilities(7)).
pub const CAPABILITIES: &[u8] = b"security.capability";
const SET_USER_ID: u32 = 0o4000;
pub const SET_GROUP_ID: u32 = 0o2000;
const GROUP_EXECUTE: u32 = 0o010;

/// Takes file capabilities from an inode, unless it is one of the `bare` ones that have none, and set-user-id and
/// set-group-id if `set_ids`.
pub fn shed(volume: &mut Volume, bare: &mut HashSet<u64>, inode: u64, set_ids: bool) -> Result<(), Error> {
    if !bare.contains(&inode) {
        match volume.remove_attribute(inode, CAPABILITIES) {
            Ok(()) | Err(Error::NoAttribute) => bare.insert(inode),
            Err(error) => return Err(error),
        };
    }
    if !set_ids {
        return Ok(());
    }
    let Attributes { mode, changed, .. } = volume.attributes(inode)?;
    let shed = without_set_ids(mode);
    if mode == shed || FileType::from_raw_mode(mode) != FileType::RegularFile {
        return Ok(());
    }
    let changes = Changes {
        mode: Some(shed),
        // What was written just now has said that.
        changed: Some(changed),
        ..Changes::default()
    };
    volume.set_attributes(inode, &changes).map(drop)
}

/// Set-group-id without execution by the group means mandatory locking, and stays.
fn without_set_ids(mode: u32) -> u32 {
    let group = if mode & GROUP_EXECUTE == 0 { 0 } else { SET_GROUP_ID };
    mode & !(SET_USER_ID | group)
}
