//! Snapshots: of a volume that is mounted for this only, or by whoever serves a mount.

use casemate_volume::{Error, Freshness, SnapshotInfo, Volume};
use serde_json::{Value, json};

use crate::report::Failure;
use crate::source::Source;

pub fn create(place: &Source, name: &str) -> Result<Value, Failure> {
    alone(place, |volume| create_in(volume, name))
}

pub fn delete(place: &Source, name: &str) -> Result<Value, Failure> {
    alone(place, |volume| delete_in(volume, name))
}

pub fn list(place: &Source, freshness: Freshness) -> Result<Value, Failure> {
    list_of(&mut place.read(freshness)?)
}

pub fn create_in(volume: &mut Volume, name: &str) -> Result<Value, Failure> {
    let created = volume.create_snapshot(name.as_bytes());
    created.map(|info| shown(&info)).map_err(|error| about(error, name))
}

pub fn delete_in(volume: &mut Volume, name: &str) -> Result<Value, Failure> {
    let deleted = volume.delete_snapshot(name.as_bytes());
    deleted.map_err(|error| about(error, name))?;
    Ok(json!({"deleted": name}))
}

pub fn list_of(volume: &mut Volume) -> Result<Value, Failure> {
    let snapshots = volume.snapshots()?;
    Ok(json!({"snapshots": snapshots.iter().map(shown).collect::<Vec<_>>()}))
}

/// The volume as a snapshot has it.
pub fn read(place: &Source, freshness: Freshness, name: &str) -> Result<Volume, Failure> {
    let mut volume = place.read(freshness)?;
    let shown = volume.show_snapshot(name.as_bytes());
    shown.map_err(|error| about(error, name))?;
    Ok(volume)
}

/// Mounted for this only.
fn alone(place: &Source, action: impl FnOnce(&mut Volume) -> Result<Value, Failure>) -> Result<Value, Failure> {
    let mut volume = place.write(Freshness::Strict)?;
    let outcome = action(&mut volume);
    let ended = volume.unmount();
    let outcome = outcome?;
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
