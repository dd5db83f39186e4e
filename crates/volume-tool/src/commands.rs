//! Each request, from its parts to its result.

use std::fs;
use std::path::Path;

use casemate_volume::anchor::InsecureFile;
use casemate_volume::host::Folder;
use casemate_volume::{Environment, Form, Freshness, Roots, SystemClock, SystemRandom, Volume};
use rustix::fs::statvfs;
use serde_json::{Value, json};

use crate::mounting;
use crate::report::Failure;
use crate::request::{Place, Request};

const MIB: u64 = 1 << 20;
/// Sizes are multiples of this.
const BLOCK: u64 = 4096;
/// The log of a volume that is large enough for it: a checkpoint comes at three quarters.
const LOG: u64 = 64 * MIB;
/// What a volume leaves of the host's space.
const SPARE: u64 = 256 * MIB;
const SMALLEST: u64 = 64 * MIB;

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
        Request::Verify { volume, freshness } => verify(volume, freshness.into()),
    }
}

/// The anchor's file is new, or one that a `create` which failed left behind.
fn create(place: Place, roots: Roots, capacity: Option<u64>, log: Option<u64>) -> Result<Value, Failure> {
    fs::create_dir_all(&place.folder).map_err(|error| Failure::host("make the volume's folder", &error))?;
    let capacity = capacity.map_or_else(|| free(&place.folder), Ok)?;
    let log = log.unwrap_or_else(|| LOG.min(capacity / 8) / BLOCK * BLOCK);
    let host = Folder::write(&place.folder)?;
    let anchor = match place.anchor.file.exists() {
        true => InsecureFile::open(&place.anchor.file, place.anchor.durability)?,
        false => InsecureFile::create(&place.anchor.file, place.anchor.durability)?,
    };
    let form = Form { roots, capacity, log };
    let volume = Volume::create(environment(host, anchor), place.key, &form)?;
    Ok(json!({"volume": hex(&volume), "roots": name(roots), "capacity": capacity, "log": log}))
}

/// What the host can still take, less a little.
fn free(folder: &Path) -> Result<u64, Failure> {
    let host = statvfs(folder).map_err(|error| Failure::host("look at the host's space", &error.into()))?;
    let free = host.f_bavail.saturating_mul(host.f_frsize);
    Ok((free.saturating_sub(SPARE).max(SMALLEST) / BLOCK * BLOCK).min(1 << 46))
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
    let anchor = InsecureFile::open(&place.anchor.file, place.anchor.durability)?;
    Ok(Volume::mount_for_reading(
        environment(host, anchor),
        place.key,
        freshness,
    )?)
}

/// The real machine around a volume.
pub fn environment(host: Folder, anchor: InsecureFile) -> Environment {
    Environment {
        host: Box::new(host),
        anchor: Box::new(anchor),
        random: Box::new(SystemRandom),
        clock: Box::new(SystemClock),
    }
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
