//! A root of sealed layers: the supervisor serves them as one tree by FUSE, and what is changed stays in memory above it.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Gid, Mode, Uid, chmod, chown, mkdir, stat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use rustix::mount::{fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen};

use super::parts::Parts;
use super::tree::Tree;
use super::{Waiting, attach, confinement, inside, make_places, memory, pivot};
use crate::failure::{Exit, Failure};
use crate::manifest::Manifest;
use crate::namespaces::Privilege;

/// Places in the root that there is before the image's: the layers, what is above them, both as one.
const LAYERS: &str = "/layers";
const MEMORY: &str = "/memory";
const ROOT: &str = "/root";
const CHANGED: &str = "/memory/changed";
const WORK: &str = "/memory/work";

/// Files that container engines make, for images that lack them: programs look themselves up.
const FILES: [(&str, &str); 2] = [
    (
        "/etc/hosts",
        "127.0.0.1 localhost casemate\n::1 localhost ip6-localhost ip6-loopback\n",
    ),
    ("/etc/hostname", "casemate\n"),
];

/// Makes the places in an empty root.
pub fn prepare(tree: &mut Tree) -> Result<(), Failure> {
    [LAYERS, MEMORY, ROOT]
        .into_iter()
        .try_for_each(|path| tree.directory(path))
}

/// Enters the image that is served on `layers`: from then on this process sees nothing else. The root has every place of
/// the manifest.
pub fn enter<'a>(
    waiting: Waiting<'a>,
    manifest: &Manifest,
    privilege: Privilege,
) -> Result<(OwnedFd, Parts<'a>), Failure> {
    let Waiting {
        image,
        layers,
        read_ahead,
        parts,
    } = waiting;
    attach(&layers, LAYERS)?;
    let size = image.writable.unwrap_or(memory::UNLIMITED);
    attach(&memory::file_system(0o700, size)?, MEMORY)?;
    // The kernel waits here until the image is served.
    let unreadable = Failure::because(Exit::Measurement, "the image cannot be read");
    let status = stat(LAYERS).map_err(unreadable)?;
    read_ahead.further(status.st_dev);
    like(CHANGED, &status).map_err(confinement("the image's root cannot be made"))?;
    mkdir(WORK, Mode::RWXU).map_err(confinement("the image's root cannot be made"))?;
    let root = overlay(privilege).map_err(confinement("the kernel lays no memory over the image"))?;
    pivot(&root, ROOT)?;
    for (path, content) in FILES {
        inside::fill(path, content)?;
    }
    for path in make_places(manifest) {
        inside::folder(path)?;
    }
    ["/proc", "/dev"].into_iter().try_for_each(inside::real_folder)?;
    Ok((root, parts))
}

/// Of the root itself overlayfs shows the upper one's attributes.
fn like(path: &str, status: &rustix::fs::Stat) -> Result<(), Errno> {
    mkdir(path, Mode::RWXU)?;
    chown(
        path,
        Some(Uid::from_raw(status.st_uid)),
        Some(Gid::from_raw(status.st_gid)),
    )?;
    chmod(path, Mode::from_raw_mode(status.st_mode & 0o7777))
}

fn overlay(privilege: Privilege) -> Result<OwnedFd, Errno> {
    let context = fsopen("overlay", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    // Nothing that lies in a layer steers the kernel: overlayfs' own attributes are not followed.
    let options = [
        ("source", "casemate"),
        ("lowerdir", LAYERS),
        ("upperdir", CHANGED),
        ("workdir", WORK),
        ("redirect_dir", "nofollow"),
        ("metacopy", "off"),
        ("index", "off"),
    ];
    for (name, value) in options {
        fsconfig_set_string(context, name, value)?;
    }
    if matches!(privilege, Privilege::OneUser { .. }) {
        fsconfig_set_flag(context, "userxattr")?;
    }
    fsconfig_create(context)?;
    fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NOATIME,
    )
}
