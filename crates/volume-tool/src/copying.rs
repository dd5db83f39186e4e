//! A volume, copied into another under another key.

use casemate_request::hex;
use casemate_volume::{CopyOf, Error, Freshness, Volume};
use serde_json::{Value, json};

use crate::commands::say_progress;
use crate::report::Failure;
use crate::source::Source;

/// What to copy.
pub struct Wanted {
    pub freshness: Freshness,
    pub snapshot: Option<String>,
    pub since: Option<String>,
    /// Of a target that is new.
    pub capacity: Option<u64>,
}

/// Copies, into a target that is made where its anchor never had one.
pub fn copy(source: &Source, target: &Source, wanted: &Wanted) -> Result<Value, Failure> {
    let mut source = source.read(wanted.freshness)?;
    let created = make(&source, target, wanted)?;
    let mut target = target.write_copy()?;
    let what = CopyOf {
        snapshot: wanted.snapshot.as_deref().map(str::as_bytes),
        since: wanted.since.as_deref().map(str::as_bytes),
    };
    let copied = target.copy(&mut source, what, &mut say_progress)?;
    let volume = target.identity();
    target.unmount()?;
    Ok(json!({
        "volume": hex(&volume), "created": created, "source": hex(&source.identity()),
        "generation": copied.generation, "snapshot": wanted.snapshot, "since": wanted.since,
        "entries": copied.entries, "bytes": copied.bytes, "resumed": copied.resumed, "already": copied.already,
    }))
}

fn make(source: &Volume, target: &Source, wanted: &Wanted) -> Result<bool, Failure> {
    if !target.is_new()? {
        return Ok(false);
    }
    if wanted.since.is_some() {
        let why = "there is no target yet: copy the whole first, without saying since when";
        return Err(Error::NotCopied(why.into()).into());
    }
    target.create(source.roots(), wanted.capacity, None)?;
    Ok(true)
}
