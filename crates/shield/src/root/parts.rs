//! What is mounted in every root: made while the host's is still visible, attached once the new one is entered.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use casemate_sys::AttachedFlags;

use super::{attach, confinement, devices, host_mounts, inside, memory, process_files, restrict, sealed};
use crate::devices::Devices;
use crate::failure::Failure;
use crate::manifest::Manifest;

/// Mounts that are attached nowhere yet.
#[derive(Debug)]
pub struct Parts<'a> {
    processes: OwnedFd,
    devices: Vec<(&'static str, OwnedFd)>,
    folders: Vec<(&'a str, OwnedFd)>,
    volumes: Vec<(&'a str, OwnedFd)>,
    certificate: Option<(&'a str, OwnedFd)>,
}

/// Bytes of the folder of a certificate: some of the longest.
const CERTIFICATE_ROOM: u64 = 1 << 20;
/// Everybody finds it; nobody but the shield makes anything there.
const CERTIFICATE_FOLDER: u32 = 0o755;

impl<'a> Parts<'a> {
    /// Makes them, and what the supervisor serves of them.
    pub fn collect(manifest: &'a Manifest, mounts: &BTreeMap<String, String>) -> Result<(Self, Devices), Failure> {
        let folders = host_mounts::collect(manifest, mounts)?;
        let devices = devices::collect()?;
        let processes = process_files::new()?;
        let mut volumes = Vec::with_capacity(manifest.volumes.len());
        let mut served = Devices::default();
        for path in &manifest.volumes {
            let sealed::End { mount, device } = sealed::volume()?;
            volumes.push((path.as_str(), mount));
            served.volumes.push(device);
        }
        let certificate = match &manifest.ra_tls {
            None => None,
            Some(place) => {
                let folder = certificate_folder()?;
                served.certificate = Some(again(&folder)?);
                Some((place.path.as_str(), folder))
            }
        };
        let parts = Self {
            processes,
            devices,
            folders,
            volumes,
            certificate,
        };
        Ok((parts, served))
    }

    /// Attaches them in this process's root, which has the places.
    pub fn attach(self) -> Result<(), Failure> {
        attach(&self.processes, "/proc")?;
        devices::attach(self.devices)?;
        process_files::protect()?;
        let mounts = self.folders.iter().chain(&self.volumes).chain(&self.certificate);
        for (path, mount) in mounts {
            inside::attach(mount, path)?;
        }
        Ok(())
    }
}

/// The same, for somebody else.
pub fn again(folder: &OwnedFd) -> Result<OwnedFd, Failure> {
    folder.try_clone().map_err(confinement("descriptors run out"))
}

fn certificate_folder() -> Result<OwnedFd, Failure> {
    let folder = memory::file_system(CERTIFICATE_FOLDER, CERTIFICATE_ROOM)?;
    let flags = AttachedFlags {
        no_set_id: true,
        no_devices: true,
        no_execute: true,
        ..AttachedFlags::default()
    };
    restrict(&folder, flags)?;
    Ok(folder)
}
