//! A mount from its start to its end, and how another process ends it.
//!
//! The process that serves a mount holds the lock of the mount's state file as long as it lives, and leaves there how
//! it ended: whoever unmounts waits for that.

use std::fs::{File, OpenOptions};
use std::io::{Read, Seek, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::thread;

use casemate_request::{ended, say};
use casemate_sys::{SignalDescriptor, block_signals};
use casemate_volume::{Error, Freshness, Listener, Shared};
use casemate_volume_fuse::{Mounted, Options};
use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{FlockOperation, flock};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::control::{self, Control};
use crate::report::Failure;
use crate::snapshots;
use crate::source::Source;

/// How to mount.
#[derive(Debug)]
pub struct Wanted {
    pub mountpoint: PathBuf,
    pub freshness: Freshness,
    pub read_only: bool,
    /// Shows this snapshot instead of the newest state; for reading.
    pub snapshot: Option<String>,
    pub shared: bool,
    pub state: PathBuf,
}

/// Mounts, says so, and serves until somebody unmounts.
pub fn mount(place: &Source, wanted: &Wanted) -> Result<Value, Failure> {
    let mut state = take(&wanted.state)?;
    let volume = Arc::new(open(place, wanted)?);
    block_signals().map_err(|error| Failure::host("block signals", &error))?;
    let options = Options {
        source: format!("casemate:{}", wanted.state.display()),
        shared: wanted.shared,
        upkeep: place.upkeep(),
        ..Options::default()
    };
    let control = Control::start(Arc::clone(&volume), &wanted.state)?;
    let mounted = Mounted::new(volume, &wanted.mountpoint, &options);
    let mounted = mounted.map_err(|error| Failure::host("mount", &error))?;
    let mut last = state
        .try_clone()
        .map_err(|error| Failure::host("keep the mount's state file", &error))?;
    let mountpoint = wanted.mountpoint.clone();
    place.at_the_end(move |failure| {
        leave(&mut last, &ended(&Err(failure.clone())));
        // Whoever has something open there gets errors from now on, and others see the bare directory.
        let _ = casemate_volume_fuse::detach(&mountpoint);
    });
    unmount_on_signals(wanted.mountpoint.clone())?;
    say(&json!({"mounted": wanted.mountpoint, "pid": std::process::id()}));
    let served = mounted.serve();
    drop(control);
    let outcome = served.map(|()| json!({"unmounted": wanted.mountpoint}));
    let outcome = outcome.map_err(Failure::from);
    place.give_back();
    leave(&mut state, &ended(&outcome));
    outcome
}

fn open(place: &Source, wanted: &Wanted) -> Result<Shared, Failure> {
    let volume = match (&wanted.snapshot, wanted.read_only) {
        (Some(name), _) => snapshots::read(place, wanted.freshness, name)?,
        (None, true) => place.read(wanted.freshness)?,
        (None, false) => place.write(wanted.freshness)?,
    };
    volume.check_finished()?;
    Ok(Shared::new(volume, listener()))
}

/// Says on standard error why programs get EIO.
fn listener() -> Listener {
    Box::new(|error: &Error| {
        let line = json!({"trouble": {"code": error.code(), "message": error.to_string()}});
        let _ = writeln!(std::io::stderr(), "{line}");
    })
}

/// Takes the state file for this mount.
fn take(path: &Path) -> Result<File, Failure> {
    let failed = |error: &std::io::Error| Failure::host("open the mount's state file", error);
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(true).truncate(false).mode(0o600);
    let file = options.open(path).map_err(|error| failed(&error))?;
    flock(&file, FlockOperation::NonBlockingLockExclusive).map_err(|_| Failure {
        code: "locked",
        message: "something of ours is mounted there already: unmount it first".into(),
    })?;
    file.set_len(0).map_err(|error| failed(&error))?;
    Ok(file)
}

fn leave(state: &mut File, line: &Value) {
    // Whoever waits sees an empty file where this fails, and says that the outcome is unknown.
    let _ = writeln!(state, "{line}").and_then(|()| state.sync_data());
}

/// Unmounts when somebody asks this process to end.
fn unmount_on_signals(mountpoint: PathBuf) -> Result<(), Failure> {
    let failed = |error: std::io::Error| Failure::host("wait for signals", &error);
    let signals = SignalDescriptor::open().map_err(failed)?;
    let wait = move || {
        loop {
            let mut waiting = [PollFd::from_borrowed_fd(signals.as_fd(), PollFlags::IN)];
            let _ = poll(&mut waiting, None);
            while let Ok(Some(signal)) = signals.next() {
                if [Signal::TERM, Signal::INT, Signal::HUP]
                    .map(Signal::as_raw)
                    .contains(&signal)
                {
                    if let Err(error) = casemate_volume_fuse::unmount(&mountpoint) {
                        let _ = writeln!(std::io::stderr(), "not unmounted: {error}");
                    }
                }
            }
        }
    };
    thread::Builder::new()
        .name("signals".into())
        .spawn(wait)
        .map_err(failed)?;
    Ok(())
}

/// Unmounts, waits for the process that served the mount, and says how that ended.
pub fn unmount(mountpoint: &Path, state: &Path) -> Result<Value, Failure> {
    let unknown = |error: &std::io::Error| Failure::host("learn how the mount ended", error);
    let mut file = File::open(state).map_err(|error| unknown(&error))?;
    let abandoned = flock(&file, FlockOperation::NonBlockingLockShared).is_ok();
    let unmounted = match abandoned {
        // Nobody serves it: there is nothing to write back, and what is open below is broken already.
        true => casemate_volume_fuse::detach(mountpoint),
        false => casemate_volume_fuse::unmount(mountpoint),
    };
    if !abandoned {
        unmounted.as_ref().map_err(|error| Failure::host("unmount", error))?;
    }
    flock(&file, FlockOperation::LockShared).map_err(|error| unknown(&error.into()))?;
    let mut text = String::new();
    file.rewind()
        .and_then(|()| file.read_to_string(&mut text))
        .map_err(|error| unknown(&error))?;
    // Whoever ended with its lease unmounted itself, and said why.
    if text.is_empty() {
        unmounted.map_err(|error| Failure::host("unmount", &error))?;
    }
    let _ = std::fs::remove_file(state);
    // Left by a process that was killed.
    control::forget(state);
    let line: Value = serde_json::from_str(&text).unwrap_or_default();
    match (line.get("result"), line.get("error")) {
        (Some(result), _) => Ok(result.clone()),
        (None, Some(error)) => Err(Failure {
            code: "ended",
            message: error["message"].as_str().unwrap_or("it failed").to_owned(),
        }),
        (None, None) => Err(Failure {
            code: "ended",
            message: "the process that served the mount did not say how it ended; mount again to see".into(),
        }),
    }
}
