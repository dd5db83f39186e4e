//! Each request, from its parts to its result.

use std::ops::ControlFlow;
use std::path::Path;

use casemate_request::{hex, progress};
use casemate_volume::{Error, Freshness, ROOT, Roots, Shared, Volume};
use casemate_volume_local::{export, import};
use serde_json::{Value, json};

use crate::control;
use crate::copying;
use crate::mounting;
use crate::rekeying;
use crate::report::Failure;
use crate::request::{Place, Request};
use crate::snapshots;
use crate::source::Source;

/// Does one request.
pub fn run(request: Request) -> Result<Value, Failure> {
    match request {
        Request::Create {
            volume,
            roots,
            capacity,
            log,
        } => with(volume, |volume| create(volume, roots.into(), capacity, log)),
        Request::Mount {
            volume,
            mountpoint,
            freshness,
            read_only,
            snapshot,
            shared,
            state,
        } => {
            let wanted = mounting::Wanted {
                mountpoint,
                freshness: freshness.into(),
                read_only,
                snapshot,
                shared,
                state,
            };
            with(volume, |volume| mounting::mount(volume, &wanted))
        }
        Request::Unmount { mountpoint, state } => mounting::unmount(&mountpoint, &state),
        Request::Info { volume, freshness } => with(volume, |volume| info(volume, freshness.into())),
        Request::Import {
            volume,
            freshness,
            source,
            into,
        } => with(volume, |volume| import_into(volume, freshness.into(), &source, &into)),
        Request::Export {
            volume,
            freshness,
            target,
            salvage,
        } => with(volume, |volume| export_to(volume, freshness.into(), &target, salvage)),
        Request::Copy {
            volume,
            freshness,
            target,
            snapshot,
            since,
            capacity,
        } => {
            let wanted = copying::Wanted {
                freshness: freshness.into(),
                snapshot,
                since,
                capacity,
            };
            with(volume, |volume| {
                with(*target, |target| copying::copy(volume, target, &wanted))
            })
        }
        Request::SnapshotMounted {
            mountpoint,
            state,
            asked,
        } => control::ask(&mountpoint, &state, &asked),
        Request::SnapshotCreate { volume, name } => with(volume, |volume| snapshots::create(volume, &name)),
        Request::SnapshotList { volume, freshness } => with(volume, |volume| snapshots::list(volume, freshness.into())),
        Request::SnapshotDelete { volume, name } => with(volume, |volume| snapshots::delete(volume, &name)),
        Request::Rekey {
            mut volume,
            freshness,
            next_key,
        } => {
            let lent = volume.lent.as_mut().and_then(|loan| loan.next_key.take());
            let next_key = next_key.or(lent).ok_or_else(|| Failure::usage("no next key".into()))?;
            with(volume, |volume| rekeying::rekey(volume, freshness.into(), next_key))
        }
        Request::Check { volume, freshness } => with(volume, |volume| check(volume, freshness.into())),
        Request::Verify { volume, freshness } => with(volume, |volume| verify(volume, freshness.into())),
    }
}

/// Does something with a volume, and gives back what was lent for it.
fn with(place: Place, action: impl FnOnce(&Source) -> Result<Value, Failure>) -> Result<Value, Failure> {
    let source = Source::of(place)?;
    let outcome = action(&source);
    source.give_back();
    outcome
}

fn create(place: &Source, roots: Roots, capacity: Option<u64>, log: Option<u64>) -> Result<Value, Failure> {
    let (volume, form) = place.create(roots, capacity, log)?;
    Ok(json!({
        "volume": hex(&volume), "roots": name(form.roots), "capacity": form.capacity, "log": form.log,
    }))
}

fn info(place: &Source, freshness: Freshness) -> Result<Value, Failure> {
    let mut volume = place.read(freshness)?;
    let origin = volume.origin()?;
    let (status, statistics) = (volume.status(), volume.statistics());
    let mut info = json!({
        "volume": hex(&volume.identity()), "roots": name(volume.roots()),
        "generation": status.generation, "anchored": status.anchored, "sequence": status.sequence,
        "fence": status.fence,
        "capacity": statistics.blocks * statistics.block, "free": statistics.free * statistics.block,
    });
    if let Some(origin) = origin {
        info["copy_of"] = json!(hex(&origin.volume));
        info["copied_generation"] = json!(origin.generation);
        info["copy_is_whole"] = json!(origin.whole);
    }
    Ok(info)
}

fn check(place: &Source, freshness: Freshness) -> Result<Value, Failure> {
    let mut volume = place.read(freshness)?;
    let report = volume.check()?;
    let findings = report.findings.kept.iter();
    let findings: Vec<Value> = findings
        .map(|finding| json!({"what": finding.what, "place": finding.place}))
        .collect();
    Ok(json!({
        "volume": hex(&volume.identity()), "generation": volume.status().generation,
        "nodes": report.nodes, "inodes": report.inodes, "extents": report.extents, "snapshots": report.snapshots,
        "found": report.findings.count, "findings": findings,
    }))
}

fn verify(place: &Source, freshness: Freshness) -> Result<Value, Failure> {
    let mut volume = place.read(freshness)?;
    volume.verify_telling(&mut say_progress)?;
    let statistics = volume.statistics();
    Ok(json!({
        "volume": hex(&volume.identity()), "generation": volume.status().generation,
        "verified": (statistics.blocks - statistics.free) * statistics.block,
    }))
}

fn import_into(place: &Source, freshness: Freshness, source: &Path, into: &str) -> Result<Value, Failure> {
    let mut volume = place.write(freshness)?;
    let directory = directory(&mut volume, into)?;
    let volume = alone(volume);
    let imported = import(&volume, source, directory, &mut say_progress);
    // What was imported before a failure is there, and says so by being there.
    let ended = volume.end();
    let imported = imported?;
    ended?;
    Ok(json!({"files": imported.files, "bytes": imported.bytes}))
}

fn export_to(place: &Source, freshness: Freshness, target: &Path, salvage: bool) -> Result<Value, Failure> {
    let volume = place.read(freshness)?;
    volume.check_finished()?;
    let volume = alone(volume);
    let exported = export(&volume, target, salvage, &mut say_progress)?;
    let lost = exported.lost.iter();
    let lost: Vec<Value> = lost
        .map(|lost| json!({"path": lost.path.to_string_lossy(), "why": lost.why}))
        .collect();
    Ok(json!({"files": exported.files, "lost": lost}))
}

/// For one request: every error is in its result.
fn alone(volume: Volume) -> Shared {
    Shared::new(volume, Box::new(|_| {}))
}

pub fn say_progress(done: u64, total: u64) -> ControlFlow<()> {
    progress(done, total);
    ControlFlow::Continue(())
}

/// Where in the volume: the directory of a path, which must be there.
fn directory(volume: &mut Volume, path: &str) -> Result<u64, Error> {
    let mut at = ROOT;
    for name in path.split('/').filter(|name| !name.is_empty()) {
        at = volume.lookup(at, name.as_bytes())?.inode;
    }
    Ok(at)
}

fn name(roots: Roots) -> &'static str {
    match roots {
        Roots::Tag => "tag",
        Roots::Hash => "hash",
    }
}
