//! Each request, from its parts to its result.

use std::fs;
use std::path::Path;

use casemate_volume::anchor::{InsecureFile, Memory};
use casemate_volume::host::Folder;
use casemate_volume::{Anchor, Environment, Form, Freshness, Roots, Volume};
use serde_json::{Value, json};

use crate::report::Failure;
use crate::request::{Place, Request};
use crate::{export, import, mounting};

/// Does one request.
pub fn run(request: Request) -> Result<Value, Failure> {
    match request {
        Request::Create {
            volume,
            roots,
            capacity,
            log,
        } => create(volume, roots.into(), capacity, log),
        Request::Mount {
            volume,
            mountpoint,
            freshness,
            read_only,
            shared,
            state,
        } => {
            let wanted = mounting::Wanted {
                mountpoint,
                freshness: freshness.into(),
                read_only,
                shared,
                state,
            };
            mounting::mount(volume, &wanted)
        }
        Request::Unmount { mountpoint, state } => mounting::unmount(&mountpoint, &state),
        Request::Info { volume, freshness } => info(volume, freshness.into()),
        Request::Import {
            volume,
            freshness,
            source,
            into,
        } => import(volume, freshness.into(), &source, &into),
        Request::Export {
            volume,
            freshness,
            target,
            salvage,
        } => export::export(&mut read(volume, freshness.into())?, &target, salvage),
        Request::Verify { volume, freshness } => verify(volume, freshness.into()),
    }
}

/// The anchor's file is new, or one that a `create` which failed left behind.
fn create(place: Place, roots: Roots, capacity: Option<u64>, log: Option<u64>) -> Result<Value, Failure> {
    fs::create_dir_all(&place.folder).map_err(|error| Failure::host("make the volume's folder", &error))?;
    let capacity = capacity.map_or_else(|| Folder::room(&place.folder), Ok);
    let capacity = capacity.map_err(|error| Failure::host("look at the host's space", &error))?;
    let mut form = Form::new(roots, capacity);
    form.log = log.unwrap_or(form.log);
    let host = Folder::write(&place.folder)?;
    let wanted = place.anchor.as_ref().ok_or_else(no_anchor)?;
    let anchor = match wanted.file.exists() {
        true => InsecureFile::open(&wanted.file, wanted.durability)?,
        false => InsecureFile::create(&wanted.file, wanted.durability)?,
    };
    let volume = Volume::create(Environment::of_this_machine(host, Box::new(anchor)), place.key, &form)?;
    Ok(json!({"volume": hex(&volume), "roots": name(roots), "capacity": capacity, "log": form.log}))
}

fn info(place: Place, freshness: Freshness) -> Result<Value, Failure> {
    let volume = read(place, freshness)?;
    let (status, statistics) = (volume.status(), volume.statistics());
    Ok(json!({
        "volume": hex(&volume.identity()), "roots": name(volume.roots()),
        "generation": status.generation, "anchored": status.anchored, "sequence": status.sequence,
        "fence": status.fence,
        "capacity": statistics.blocks * statistics.block, "free": statistics.free * statistics.block,
    }))
}

fn verify(place: Place, freshness: Freshness) -> Result<Value, Failure> {
    let mut volume = read(place, freshness)?;
    volume.verify()?;
    let statistics = volume.statistics();
    Ok(json!({
        "volume": hex(&volume.identity()), "generation": volume.status().generation,
        "verified": (statistics.blocks - statistics.free) * statistics.block,
    }))
}

fn read(place: Place, freshness: Freshness) -> Result<Volume, Failure> {
    let host = Folder::read(&place.folder)?;
    let anchor = anchor(&place, freshness)?;
    Ok(Volume::mount_for_reading(
        Environment::of_this_machine(host, anchor),
        place.key,
        freshness,
    )?)
}

fn import(place: Place, freshness: Freshness, source: &Path, into: &str) -> Result<Value, Failure> {
    let host = Folder::write(&place.folder)?;
    let anchor = anchor(&place, freshness)?;
    let mut volume = Volume::mount(Environment::of_this_machine(host, anchor), place.key, freshness)?;
    let directory = import::directory(&mut volume, into)?;
    let imported = import::import(&mut volume, source, directory);
    // What was imported before a failure is there, and says so by being there.
    let ended = volume.unmount();
    let result = imported?;
    ended?;
    Ok(result)
}

/// The anchor's file; nobody where integrity is enough.
pub fn anchor(place: &Place, freshness: Freshness) -> Result<Box<dyn Anchor>, Failure> {
    match (&place.anchor, freshness) {
        (_, Freshness::None) => Ok(Box::new(Memory::default())),
        (Some(anchor), _) => Ok(Box::new(InsecureFile::open(&anchor.file, anchor.durability)?)),
        (None, _) => Err(no_anchor()),
    }
}

fn no_anchor() -> Failure {
    Failure::usage("an anchor must be named: file:PATH".into())
}

fn name(roots: Roots) -> &'static str {
    match roots {
        Roots::Tag => "tag",
        Roots::Hash => "hash",
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
