//! The private root (spec/manifest.md): built in memory that cannot swap, from measured bytes only, then entered for good.
//!
//! All of it happens in a mount namespace of its own. The tree is filled while it is not yet mounted anywhere,
//! through its descriptor, so that no path of the host leads into it.

mod copy;
mod devices;
mod host_mounts;
mod image;
mod inside;
mod memory;
mod parts;
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

use crate::certificate::{Folder, Pair};
use crate::devices::Devices;
use crate::failure::{Exit, Failure};
use crate::manifest::{Image, Manifest};
use crate::namespaces::Privilege;
use parts::Parts;
use sealed::ReadAhead;
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

/// A root that this process has entered and that can still be changed; of an image, one that has nothing in it yet.
#[derive(Debug)]
pub struct PrivateRoot<'a> {
    manifest: &'a Manifest,
    tree: Tree,
    /// What the supervisor serves of it.
    served: Devices,
    certificate: Option<Folder>,
    waiting: Option<Waiting<'a>>,
}

/// What is mounted once the image is served.
#[derive(Debug)]
struct Waiting<'a> {
    image: &'a Image,
    layers: OwnedFd,
    read_ahead: ReadAhead,
    parts: Parts<'a>,
}

impl<'a> PrivateRoot<'a> {
    /// Builds the root of `manifest` and makes it this process's own; `sources` and `mounts` are the bundle's.
    ///
    /// # Errors
    /// [`Exit::Measurement`] when a file is missing or differs, [`Exit::Confinement`] when the kernel refuses.
    pub fn enter(
        manifest: &'a Manifest,
        sources: &BTreeMap<String, String>,
        mounts: &BTreeMap<String, String>,
    ) -> Result<Self, Failure> {
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC)
            .map_err(confinement("the mounts of the host cannot be kept apart"))?;
        let mut tree = Tree::new(memory::file_system(0o755, memory::UNLIMITED)?);
        copy::fill(&mut tree, manifest, sources)?;
        let (parts, mut served) = Parts::collect(manifest, mounts)?;
        let certificate = served.certificate.as_ref().map(parts::again).transpose()?;
        let waiting = match &manifest.image {
            None => {
                make_places(manifest).try_for_each(|path| tree.directory(path))?;
                pivot(tree.descriptor(), SOME_FOLDER)?;
                parts.attach()?;
                None
            }
            Some(image) => {
                let sealed::End { mount: layers, device } = sealed::image()?;
                served.image = Some(device);
                let read_ahead = ReadAhead::find();
                image::prepare(&mut tree)?;
                pivot(tree.descriptor(), SOME_FOLDER)?;
                Some(Waiting {
                    image,
                    layers,
                    read_ahead,
                    parts,
                })
            }
        };
        Ok(Self {
            manifest,
            tree,
            served,
            certificate: certificate.map(Folder::new),
            waiting,
        })
    }

    /// What serves the sealed volumes and the image, and where certificates go, for the supervisor.
    pub fn take_devices(&mut self) -> Devices {
        std::mem::take(&mut self.served)
    }

    /// Places certificate and key, the policy's files and the writables, all but the certificate owned by `owner`, then makes the root read-only, unless it is an
    /// image of which the manifest says otherwise. An image must be served by now.
    ///
    /// # Errors
    /// [`Exit::Confinement`] when the kernel refuses, or for a path that is taken; [`Exit::Measurement`] when the image
    /// cannot be read.
    pub fn finish(
        mut self,
        files: &[PlacedFile],
        certificate: Option<&Pair>,
        owner: Owner,
        privilege: Privilege,
    ) -> Result<(), Failure> {
        if let Some((folder, pair)) = self.certificate.as_ref().zip(certificate) {
            place_certificate(folder, pair, owner)?;
        }
        let mut read_only = true;
        let root = match self.waiting {
            None => {
                files.iter().try_for_each(|file| self.tree.place(file, owner))?;
                self.tree.into_descriptor()
            }
            Some(waiting) => {
                read_only = waiting.image.writable.is_none();
                let (root, parts) = image::enter(waiting, self.manifest, privilege)?;
                parts.attach()?;
                files.iter().try_for_each(|file| inside::place(file, owner))?;
                root
            }
        };
        for writable in &self.manifest.writable {
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
            inside::attach(&mount, &writable.path)?;
        }
        let flags = AttachedFlags {
            read_only,
            no_set_id: true,
            no_devices: true,
            no_execute: false,
        };
        restrict(&root, flags)
    }
}

fn place_certificate(folder: &Folder, pair: &Pair, owner: Owner) -> Result<(), Failure> {
    let refused = "the certificate cannot be placed";
    let key = folder.place_key(&pair.key).map_err(confinement(refused))?;
    tree::give(&key, owner)?;
    let placed = folder.replace_certificate(&pair.certificate);
    placed.map_err(confinement(refused))
}

fn make_places(manifest: &Manifest) -> impl Iterator<Item = &str> {
    let writable = manifest.writable.iter().map(|w| w.path.as_str());
    let mounts = manifest.mounts.iter().map(|m| m.path.as_str());
    let volumes = manifest.volumes.iter().map(String::as_str);
    let certificate = manifest.ra_tls.iter().map(|r| r.path.as_str());
    let own = ["/proc", "/dev"].into_iter();
    own.chain(writable).chain(mounts).chain(volumes).chain(certificate)
}

/// Any folder that exists will do, for the moment until the old root goes.
const SOME_FOLDER: &str = "/proc";

/// Mounts a root at a folder, changes into it and lets go of everything else.
fn pivot(root: &OwnedFd, folder: &str) -> Result<(), Failure> {
    let refused = "the private root cannot be entered";
    attach(root, folder)?;
    fchdir(root).map_err(confinement(refused))?;
    pivot_root(".", ".").map_err(confinement(refused))?;
    unmount(".", UnmountFlags::DETACH).map_err(confinement("the root before cannot be detached"))?;
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
