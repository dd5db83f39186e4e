//! Filling the root: every file is copied while the very bytes that are written are hashed.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::thread;

use rustix::fs::{FileType, Mode, OFlags, fstat, open};
use rustix::io::Errno;
use rustix::system::Sysinfo;
use sha2::{Digest, Sha256};

use super::tree::{Tree, write_all};
use crate::failure::{Exit, Failure};
use crate::manifest::{Manifest, RootKind};

/// Bytes that are read, hashed and written at once: they stay in the processor's second cache.
const BLOCK: usize = 128 * 1024;
/// How much nicer than the rest of the shield the copy is: it gets about a tenth of a core that others want.
const YIELDING: i32 = 10;

/// Makes every entry of the manifest's root, in a thread that lets others go first: the attestation, which happens at
/// the same time, is mostly waiting for answers, and whoever works on one of them should not wait for a core.
pub fn fill(tree: &mut Tree, manifest: &Manifest, sources: &BTreeMap<String, String>) -> Result<(), Failure> {
    fits_into(manifest, rustix::system::sysinfo())?;
    thread::scope(|scope| {
        let yielding = thread::Builder::new().name("copy".to_owned()).spawn_scoped(scope, || {
            // On Linux this is the thread's own. Where it fails, the copy is as important as everything else.
            let _ = rustix::process::nice(YIELDING);
            copy_all(tree, manifest, sources)
        });
        let ended = yielding.map_err(|error| failed(&error.to_string()))?.join();
        ended.unwrap_or_else(|_| Err(failed("it panicked")))
    })
}

fn copy_all(tree: &mut Tree, manifest: &Manifest, sources: &BTreeMap<String, String>) -> Result<(), Failure> {
    let mut block = vec![0; BLOCK];
    for entry in &manifest.root {
        match &entry.kind {
            RootKind::Directory { mode } => tree.directory_with(&entry.path, *mode)?,
            RootKind::Symlink { target } => tree.symlink(&entry.path, target)?,
            RootKind::File { digest, size, mode } => {
                let source = open_source(sources.get(&entry.path).unwrap_or(&entry.path), &entry.path, *size)?;
                let target = tree.file(&entry.path, *mode)?;
                let copied = copy(&source, &target, &mut block, *size);
                let got = copied.map_err(|why| differs(&entry.path, &why))?;
                if got != *digest {
                    return Err(differs(&entry.path, "its content has another digest"));
                }
            }
        }
    }
    Ok(())
}

/// Refuses a root that is larger than the machine's memory before the kernel looks for a process to end.
fn fits_into(manifest: &Manifest, machine: Sysinfo) -> Result<(), Failure> {
    let sizes = manifest.root.iter().map(|entry| match entry.kind {
        RootKind::File { size, .. } => u128::from(size),
        RootKind::Symlink { .. } | RootKind::Directory { .. } => 0,
    });
    let needed: u128 = sizes.sum();
    let memory = u128::from(machine.totalram) * u128::from(machine.mem_unit);
    if needed > memory {
        return Err(Failure::with_its_own_cure(
            Exit::Confinement,
            format!("the root needs {needed} bytes of memory, and this machine has {memory}: give it more"),
        ));
    }
    Ok(())
}

/// Opens a file of the host, which may be a link or anything else: only a regular file of the right size passes.
fn open_source(source: &str, path: &str, size: u64) -> Result<OwnedFd, Failure> {
    // NONBLOCK: a pipe in the file's place must not hold the shield up.
    let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
    let file =
        open(source, flags, Mode::empty()).map_err(|error| differs(path, &format!("it cannot be read: {error}")))?;
    let status = fstat(&file).map_err(|error| differs(path, &error.to_string()))?;
    if FileType::from_raw_mode(status.st_mode) != FileType::RegularFile {
        return Err(differs(path, "it is no regular file"));
    }
    if u64::try_from(status.st_size) != Ok(size) {
        return Err(differs(path, &format!("it has {} bytes, not {size}", status.st_size)));
    }
    Ok(file)
}

/// Copies exactly `size` bytes and returns their SHA-256.
fn copy(source: &OwnedFd, target: &OwnedFd, block: &mut [u8], size: u64) -> Result<[u8; 32], String> {
    let mut hasher = Sha256::new();
    let mut left = size;
    loop {
        let got = match rustix::io::read(source, &mut *block) {
            Ok(0) => break,
            Ok(got) => got,
            Err(Errno::INTR) => continue,
            Err(error) => return Err(format!("it cannot be read: {error}")),
        };
        left = left.checked_sub(got as u64).ok_or("it grew while it was read")?;
        hasher.update(&block[..got]);
        write_all(target, &block[..got]).map_err(|error| format!("it cannot be copied: {error}"))?;
    }
    if left == 0 {
        Ok(hasher.finalize().into())
    } else {
        Err("it shrank while it was read".to_owned())
    }
}

fn failed(why: &str) -> Failure {
    Failure::new(Exit::Confinement, format!("the thread that copies the root: {why}"))
}

fn differs(path: &str, why: &str) -> Failure {
    Failure::new(Exit::Measurement, format!("{path} is not the measured file: {why}"))
}
