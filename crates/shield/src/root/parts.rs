//! What is mounted in every root: made while the host's is still visible, attached once the new one is entered.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use super::{attach, devices, host_mounts, inside, process_files, sealed};
use crate::failure::Failure;
use crate::manifest::Manifest;

/// Mounts that are attached nowhere yet.
#[derive(Debug)]
pub struct Parts<'a> {
    processes: OwnedFd,
    devices: Vec<(&'static str, OwnedFd)>,
    folders: Vec<(&'a str, OwnedFd)>,
    volumes: Vec<(&'a str, OwnedFd)>,
}

impl<'a> Parts<'a> {
    /// Makes them, and the ends of the sealed volumes in the manifest's order.
    pub fn collect(manifest: &'a Manifest, mounts: &BTreeMap<String, String>) -> Result<(Self, Vec<OwnedFd>), Failure> {
        let folders = host_mounts::collect(manifest, mounts)?;
        let devices = devices::collect()?;
        let processes = process_files::new()?;
        let mut volumes = Vec::with_capacity(manifest.volumes.len());
        let mut ends = Vec::with_capacity(manifest.volumes.len() + 1);
        for path in &manifest.volumes {
            let sealed::End { mount, device } = sealed::volume()?;
            volumes.push((path.as_str(), mount));
            ends.push(device);
        }
        let parts = Self {
            processes,
            devices,
            folders,
            volumes,
        };
        Ok((parts, ends))
    }

    /// Attaches them in this process's root, which has the places.
    pub fn attach(self) -> Result<(), Failure> {
        attach(&self.processes, "/proc")?;
        devices::attach(self.devices)?;
        process_files::protect()?;
        for (path, mount) in self.folders.iter().chain(&self.volumes) {
            inside::attach(mount, path)?;
        }
        Ok(())
    }
}
