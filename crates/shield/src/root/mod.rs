//! The private root (spec/manifest.md): built in memory that cannot swap, from measured bytes only, then entered for good.
//!
//! All of it happens in a mount namespace of its own. The tree is filled while it is not yet mounted anywhere,
//! through its descriptor, so that no path of the host leads into it.

mod copy;
mod devices;
mod host_mounts;
mod memory;
mod process_files;
mod sealed;
mod tree;

use std::collections::BTreeMap;
use std::os::fd::{AsFd, OwnedFd};

use casemate_sys::{AttachedFlags, set_mount_attributes};
use rustix::fs::CWD;
use rustix::mount::{MountPropagationFlags, MoveMountFlags, UnmountFlags, mount_change, move_mount, unmount};
use rustix::process::{chdir, fchdir, pivot_root};
use zeroize::Zeroizing;

use crate::failure::{Exit, Failure};
use crate::manifest::Manifest;
use tree::Tree;

/// A file that the policy places.
#[derive(Debug)]
pub struct PlacedFile {
    /// One of the manifest's `files`.
    pub path: String,
    /// Permission bits.
    pub mode: u32,
    /// Content.
    pub content: Zeroizing<Vec<u8>>,
}

/// Who owns what the workload may change; `None` where the namespace knows one user only.
pub type Owner = Option<(u32, u32)>;

/// A root that this process has entered and that can still be changed.
#[derive(Debug)]
pub struct PrivateRoot {
    tree: Tree,
    /// The ends of its sealed volumes, in the manifest's order.
    devices: Vec<OwnedFd>,
}

impl PrivateRoot {
    /// Builds the root of `manifest` and makes it this process's own; `sources` and `mounts` are the bundle's.
    ///
    /// # Errors
    /// [`Exit::Measurement`] when a file is missing or differs, [`Exit::Confinement`] when the kernel refuses.
    pub fn enter(
        manifest: &Manifest,
        sources: &BTreeMap<String, String>,
        mounts: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .map_err(confinement("the mounts of the host cannot be kept apart"))?;
        let mut tree = Tree::new(memory::file_system(0o755, memory::UNLIMITED)?);
        copy::fill(&mut tree, manifest, sources)?;
        let folders = host_mounts::collect(manifest, mounts)?;
        let devices = devices::collect()?;
        let processes = process_files::new()?;
        let volumes = sealed::collect(manifest)?;
        for path in make_places(manifest) {
            tree.directory(path)?;
        }
        pivot(&tree)?;
        attach(&processes, "/proc")?;
        devices::attach(devices)?;
        process_files::protect()?;
        for (path, folder) in folders {
            attach(&folder, path)?;
        }
        let mut places = Vec::with_capacity(volumes.len());
        for volume in volumes {
            attach(&volume.mount, volume.path)?;
            places.push(volume.device);
        }
        Ok(Self { tree, devices: places })
    }

    /// What serves the sealed volumes, for the supervisor.
    pub fn take_devices(&mut self) -> Vec<OwnedFd> {
        std::mem::take(&mut self.devices)
    }

    /// Places the policy's files and the writables, both owned by `owner`, then makes the root read-only.
    ///
    /// # Errors
    /// [`Exit::Confinement`] when the kernel refuses, [`Exit::NotGenuine`] for a path that is taken.
    pub fn finish(mut self, manifest: &Manifest, files: &[PlacedFile], owner: Owner) -> Result<(), Failure> {
        for file in files {
            self.tree.place(file, owner)?;
        }
        for writable in &manifest.writable {
            let mount = memory::file_system(writable.mode, writable.size)?;
            restrict(
                &mount,
                AttachedFlags {
                    no_set_id: true,
                    no_devices: true,
                    ..AttachedFlags::default()
                },
            )?;
            tree::give(&mount, owner)?;
            attach(&mount, &writable.path)?;
        }
        let flags = AttachedFlags {
            read_only: true,
            no_set_id: true,
            no_devices: true,
            no_execute: false,
        };
        restrict(self.tree.descriptor(), flags)
    }
}

fn make_places(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let writable = manifest.writable.iter().map(|w| w.path.as_str());
    let mounts = manifest.mounts.iter().map(|m| m.path.as_str());
    let volumes = manifest.volumes.iter().map(String::as_str);
    let own = ["/proc", "/dev"].into_iter();
    own.chain(writable).chain(mounts).chain(volumes)
}

/// Mounts the tree somewhere, changes into it and lets go of everything else.
fn pivot(tree: &Tree) -> Result<(), Failure> {
    let refused = "the private root cannot be entered";
    // Any folder that exists will do, for the moment until the old root goes.
    attach(tree.descriptor(), "/proc")?;
    fchdir(tree.descriptor()).map_err(confinement(refused))?;
    pivot_root(".", ".").map_err(confinement(refused))?;
    unmount(".", UnmountFlags::DETACH).map_err(confinement("the host's root cannot be detached"))?;
    chdir("/").map_err(confinement(refused))
}

fn attach(mount: &OwnedFd, path: &str) -> Result<(), Failure> {
    move_mount(mount.as_fd(), "", CWD, path, MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH)
        .map_err(|error| Failure::new(Exit::Confinement, format!("{path} cannot be mounted: {error}")))
}

fn restrict(mount: &OwnedFd, flags: AttachedFlags) -> Result<(), Failure> {
    set_mount_attributes(mount.as_fd(), flags).map_err(confinement("a mount cannot be restricted"))
}

fn confinement<E: std::fmt::Display>(tried: &str) -> impl FnOnce(E) -> Failure {
    Failure::because(Exit::Confinement, tried)
}
