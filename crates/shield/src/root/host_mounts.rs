//! Folders of the untrusted host.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use casemate_sys::AttachedFlags;
use rustix::fs::{AtFlags, CWD, FileType, fstatfs, statat};
use rustix::mount::{OpenTreeFlags, open_tree};

use super::restrict;
use crate::failure::{Exit, Failure};
use crate::manifest::{Access, Manifest};

/// File systems through which a workload could talk to the kernel or the platform, evidence included
/// (magic numbers of linux/magic.h and of the file systems' own sources): configfs, sysfs, proc, securityfs, debugfs,
/// tracefs, bpf, cgroup, cgroup2, efivarfs; binfmt_misc, selinuxfs, smackfs, apparmorfs, pstore, fusectl, nfsd, rpc_pipefs,
/// resctrl, xenfs, openpromfs, usbfs, binderfs, devpts, mqueue, nsfs, pidfs.
const KERNEL_FILE_SYSTEMS: [u64; 27] = [
    0x6265_6570,
    0x6265_6572,
    0x9fa0,
    0x7363_6673,
    0x6462_6720,
    0x7472_6163,
    0xcafe_4a11,
    0x0027_e0eb,
    0x6367_7270,
    0xde5e_81e4,
    0x4249_4e4d,
    0xf97c_ff8c,
    0x4341_5d53,
    0x5a3c_69f0,
    0x6165_676c,
    0x6573_5543,
    0x6e66_7364,
    0x6759_6969,
    0x0765_5821,
    0xabba_1974,
    0x9fa1,
    0x9fa2,
    0x6c6f_6f70,
    0x1cd1,
    0x1980_0202,
    0x6e73_6673,
    0x5049_4446,
];

/// Opens the folder of each mount, detached from the host's tree and without what is mounted below it.
pub fn collect<'a>(
    manifest: &'a Manifest,
    folders: &BTreeMap<String, String>,
) -> Result<Vec<(&'a str, OwnedFd)>, Failure> {
    let mut mounts = Vec::with_capacity(manifest.mounts.len());
    for mount in &manifest.mounts {
        let folder = folders
            .get(&mount.path)
            .ok_or_else(|| refuse(&mount.path, "got no folder"))?;
        let detached = detach(folder).map_err(|error| refuse(folder, &error.to_string()))?;
        check(&detached, folder)?;
        let flags = AttachedFlags {
            read_only: mount.access == Access::Read,
            no_set_id: true,
            no_devices: true,
            no_execute: true,
        };
        restrict(&detached, flags)?;
        mounts.push((mount.path.as_str(), detached));
    }
    Ok(mounts)
}

fn detach(folder: &str) -> rustix::io::Result<OwnedFd> {
    open_tree(
        CWD,
        folder,
        OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC,
    )
}

fn check(detached: &OwnedFd, folder: &str) -> Result<(), Failure> {
    let status = statat(detached, "", AtFlags::EMPTY_PATH).map_err(|error| refuse(folder, &error.to_string()))?;
    if FileType::from_raw_mode(status.st_mode) != FileType::Directory {
        return Err(refuse(folder, "it is no folder"));
    }
    let system = fstatfs(detached).map_err(|error| refuse(folder, &error.to_string()))?;
    if u64::try_from(system.f_type).is_ok_and(|magic| KERNEL_FILE_SYSTEMS.contains(&magic)) {
        return Err(refuse(
            folder,
            "it belongs to the kernel, and would give the workload a way to the platform",
        ));
    }
    Ok(())
}

fn refuse(folder: &str, why: &str) -> Failure {
    Failure::with_its_own_cure(
        Exit::Confinement,
        format!("the host's folder {folder} cannot be mounted: {why}; name another one in the launch request"),
    )
}
