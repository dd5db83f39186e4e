//! The workload's sealed volumes: opened and served by the supervisor, which alone has their keys.

use std::os::fd::OwnedFd;
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, sync_channel};
use std::thread;
use std::time::Duration;

use casemate_custodian_client::VolumeAnchor;
use casemate_volume::host::interrupted_rekey;
use casemate_volume::{Error, Shared};
use casemate_volume_custodian::{Lent, Owner};
use casemate_volume_fuse::{Mounted, Options};
use rustix::thread::CapabilitySet;

use crate::bundle::Bundle;
use crate::failure::{Exit, Failure};
use crate::tell;
use casemate_hardening::keep_only;

/// How long the kernel may take to write back what a workload left when it ended.
const LAST_WRITES: Duration = Duration::from_secs(60);

/// A volume of the configuration, and where the custodian keeps its newest state.
#[derive(Debug)]
pub struct Granted {
    /// Where in the private root it is mounted.
    pub path: String,
    /// What the policy says.
    pub lent: Lent,
}

/// Volumes that are served on threads of their own.
#[derive(Default)]
pub struct Served(Vec<Serving>);

struct Serving {
    path: String,
    opened: Arc<Shared>,
    anchor: VolumeAnchor,
    ended: Receiver<Result<(), Error>>,
}

impl Served {
    /// Opens each volume and serves it; `devices` are in the order of the manifest's places.
    ///
    /// # Errors
    /// [`Exit::Volume`]: of a volume that is refused nothing is ever shown.
    pub fn start(
        mut granted: Vec<Granted>,
        devices: Vec<OwnedFd>,
        bundle: &Bundle,
        owner: Option<Owner>,
    ) -> Result<Self, Failure> {
        let mut served = Self::default();
        for (path, device) in bundle.manifest.volumes.iter().zip(devices) {
            let found = granted.iter().position(|granted| granted.path == *path);
            let granted = granted.swap_remove(found.ok_or_else(|| missing(path))?);
            let folder = bundle.volumes.get(path).ok_or_else(|| missing(path))?;
            let serving = serve(granted, device, folder, owner);
            served
                .0
                .push(serving.map_err(|error| not_opened(path, folder, &error))?);
        }
        Ok(served)
    }

    /// Waits until the kernel gave back what the workload wrote, and everything is durable and anchored.
    ///
    /// # Errors
    /// [`Exit::Volume`] with the first that could not be: what no fsync acknowledged may be lost.
    pub fn end(self) -> Result<(), Failure> {
        let mut outcome = Ok(());
        for serving in self.0 {
            let ended = match serving.ended.recv_timeout(LAST_WRITES) {
                Ok(ended) => ended,
                Err(_) => serving.opened.end(),
            };
            // Others need not wait for the lease's end. Where this fails, they do.
            let _ = serving.anchor.release();
            if let Err(error) = ended {
                tell(&refused(&serving.path, &error));
                outcome = outcome.and(Err(refused(&serving.path, &error)));
            }
        }
        outcome
    }
}

fn serve(granted: Granted, device: OwnedFd, folder: &str, owner: Option<Owner>) -> Result<Serving, Error> {
    let failed = |error: std::io::Error| Error::Host(format!("serve: {error}"));
    let Granted { path, lent } = granted;
    let options = Options {
        shared: true,
        upkeep: lent.upkeep(),
        ..Options::default()
    };
    let waits = |why: &str| tell(&format_args!("the writer before holds a volume, waiting: {why}"));
    let volume = lent.open(Path::new(folder), owner, &waits)?;
    let shown = path.clone();
    let listener = Box::new(move |error: &Error| tell(&format_args!("volume {shown}: {error}")));
    let opened = Arc::new(Shared::new(volume, listener));
    let mounted = Mounted::on_device(Arc::clone(&opened), device, &options).map_err(failed)?;
    let (sender, ended) = sync_channel(1);
    let work = move || {
        // Files of the host are opened with what this process's user may, and no more.
        let served = match keep_only(CapabilitySet::IPC_LOCK) {
            Ok(()) => mounted.serve(),
            Err(refused) => Err(Error::Host(refused.to_string())),
        };
        // Whoever waits may have given up.
        let _ = sender.send(served);
    };
    thread::Builder::new()
        .name("volume".to_owned())
        .spawn(work)
        .map_err(failed)?;
    Ok(Serving {
        path,
        opened,
        anchor: lent.anchor,
        ended,
    })
}

fn missing(path: &str) -> Failure {
    Failure::new(Exit::NotGenuine, format!("the release has no volume for {path}"))
}

/// Says besides what to do where rekeying was interrupted.
fn not_opened(path: &str, folder: &str, error: &Error) -> Failure {
    match interrupted_rekey(Path::new(folder), error) {
        Some(cure) => Failure::new(Exit::Volume, format!("the volume at {path}: {error}; {cure}")),
        None => refused(path, error),
    }
}

fn refused(path: &str, error: &Error) -> Failure {
    Failure::new(Exit::Volume, format!("the volume at {path}: {error}"))
}
