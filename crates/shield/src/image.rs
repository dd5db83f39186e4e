//! The sealed image that is the workload's root: opened and served by the supervisor, which alone has its key.

use std::collections::BTreeMap;
use std::fs::File;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::thread;

use casemate_hardening::keep_only;
use casemate_image::blob;
use casemate_image::merged::Merged;
use casemate_image::sealed::{ImageKey, Layer, Root};
use casemate_image_fuse::{Mounted, Options};
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, openat};
use rustix::thread::CapabilitySet;

use crate::failure::{Exit, Failure};
use crate::manifest::Image;
use crate::namespaces::Privilege;
use crate::{digests, tell};

/// Opens each layer and serves them as one tree until the workload's namespace is gone.
///
/// `files` are the host's, by root. Encrypted layers need `key`, others must have none.
///
/// # Errors
/// [`Exit::Measurement`] for a layer that is not there or is not the manifest's.
pub fn serve(
    image: &Image,
    files: &BTreeMap<String, String>,
    key: Option<&ImageKey>,
    device: OwnedFd,
    privilege: Privilege,
) -> Result<(), Failure> {
    let layers = image.layers.iter().map(|root| layer(root, files, key));
    let layers = layers.collect::<Result<Vec<_>, _>>()?;
    let merged = Merged::open(layers).map_err(Failure::because(Exit::Measurement, "the image cannot be read"))?;
    let options = Options {
        shared: true,
        // A namespace of one user knows no others: everything would belong to nobody, and could not be changed.
        owner: matches!(privilege, Privilege::OneUser { .. }).then_some((0, 0)),
        ..Options::default()
    };
    let listener = Box::new(|error: &_| tell(&format_args!("the image: {error}")));
    let mounted = Mounted::on_device(Arc::new(merged), device, listener, &options);
    let mounted = mounted.map_err(Failure::because(Exit::Confinement, "the image cannot be served"))?;
    let work = move || {
        // Nothing is left to be opened.
        let served = match keep_only(CapabilitySet::IPC_LOCK) {
            Ok(()) => mounted.serve(),
            Err(refused) => Err(std::io::Error::other(refused)),
        };
        if let Err(error) = served {
            tell(&format_args!("the image: {error}"));
        }
    };
    let thread = thread::Builder::new().name("image".to_owned()).spawn(work);
    thread
        .map(drop)
        .map_err(Failure::because(Exit::Confinement, "a thread for the image"))
}

fn layer(root: &[u8; 32], files: &BTreeMap<String, String>, key: Option<&ImageKey>) -> Result<Layer, Failure> {
    let name = digests::text(root);
    let refused = |why: &dyn std::fmt::Display| Failure::new(Exit::Measurement, format!("the layer {name}: {why}"));
    let path = files.get(&name).ok_or_else(|| refused(&"no file was named for it"))?;
    let file = open(path).map_err(|error| refused(&format_args!("{path} cannot be opened: {error}")))?;
    blob::open_either(file, Root::new(*root), key).map_err(|error| refused(&format_args!("{path}: {error}")))
}

/// A regular file, never one that could hold the start up.
fn open(path: &str) -> std::io::Result<File> {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NONBLOCK | OFlags::NOCTTY;
    let file = openat(CWD, path, flags, Mode::empty())?;
    if FileType::from_raw_mode(fstat(&file)?.st_mode) != FileType::RegularFile {
        return Err(std::io::Error::other("it is no regular file"));
    }
    Ok(File::from(file))
}
