//! Snapshots of a volume that is not mounted.

use casemate_volume::{Error, Freshness, SnapshotInfo, Volume};
use serde_json::{Value, json};

use crate::report::Failure;
use crate::source::Source;

pub fn create(place: &Source, name: &str) -> Result<Value, Failure> {
    let mut volume = place.write(Freshness::Strict)?;
    let created = volume.create_snapshot(name.as_bytes()).map(|info| shown(&info));
    finish(volume, created, name)
}

pub fn delete(place: &Source, name: &str) -> Result<Value, Failure> {
    let mut volume = place.write(Freshness::Strict)?;
    let deleted = volume.delete_snapshot(name.as_bytes());
    finish(volume, deleted.map(|()| json!({"deleted": name})), name)
}

pub fn list(place: &Source, freshness: Freshness) -> Result<Value, Failure> {
    let snapshots = place.read(freshness)?.snapshots()?;
    Ok(json!({"snapshots": snapshots.iter().map(shown).collect::<Vec<_>>()}))
}

/// The volume as a snapshot has it.
pub fn read(place: &Source, freshness: Freshness, name: &str) -> Result<Volume, Failure> {
    let mut volume = place.read(freshness)?;
    let shown = volume.show_snapshot(name.as_bytes());
    shown.map_err(|error| about(error, name))?;
    Ok(volume)
}

fn finish(volume: Volume, outcome: Result<Value, Error>, name: &str) -> Result<Value, Failure> {
    let ended = volume.unmount();
    let outcome = outcome.map_err(|error| about(error, name))?;
    ended?;
    Ok(outcome)
}

fn shown(info: &SnapshotInfo) -> Value {
    json!({
        "name": String::from_utf8_lossy(&info.name), "generation": info.generation, "taken": info.taken.seconds,
    })
}

/// What the engine says of names, said of a snapshot.
fn about(error: Error, name: &str) -> Failure {
    let message = match error {
        Error::NotFound => format!("there is no snapshot {name}"),
        Error::Exists => format!("there is a snapshot {name} already; it is not replaced"),
        Error::Invalid | Error::NameTooLong => format!("{name:?} is no name of a snapshot"),
        other => return other.into(),
    };
    Failure::usage(message)
}
