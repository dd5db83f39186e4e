//! The launch manifest, format 1 (spec/manifest.md): what one trust domain runs.
//!
//! [`Manifest::parse`] accepts canonical bytes that keep every rule of the specification and nothing else;
//! whoever holds a [`Manifest`] need not check it again.

mod error;
mod form;
mod path;
mod rules;

pub use error::ManifestError;
pub use form::{Access, Capability, Filler, Hole, PolicyBinding, Protection, Reload, Role, User};
pub(crate) use path::{is_plain, parents};

use std::collections::BTreeMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

/// Most bytes of a manifest: 100,000 root entries of about 160 bytes.
pub const MAX_MANIFEST_BYTES: usize = 16 * 1024 * 1024;

/// One entry of the private root file system.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RootEntry {
    /// Where, absolute and normalised.
    pub path: String,
    /// What.
    pub kind: RootKind,
}

/// What stands at a path of the private root.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RootKind {
    /// A regular file with this content.
    File {
        /// SHA-256 of the content.
        digest: [u8; 32],
        /// Length of the content in bytes.
        size: u64,
        /// Permission bits.
        mode: u32,
    },
    /// A symbolic link.
    Symlink {
        /// Its text.
        target: String,
    },
    /// A folder.
    Directory {
        /// Permission bits.
        mode: u32,
    },
}

/// An empty file system in memory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Writable {
    /// Where, absolute and normalised.
    pub path: String,
    /// Permission bits of its root folder, sticky bit included.
    pub mode: u32,
    /// Most bytes that it takes.
    pub size: u64,
}

/// A folder of the untrusted host.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Where, absolute and normalised.
    pub path: String,
    /// Whether the workload may change it.
    pub access: Access,
}

/// A private root of sealed layers.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Image {
    /// Their roots, from the bottom up.
    pub layers: Vec<[u8; 32]>,
    /// Whether they are encrypted.
    pub protection: Protection,
    /// Most bytes that may be written over them, in memory; `None`: nothing is written.
    pub writable: Option<u64>,
}

/// A program that says whether the workload is well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HealthCheck {
    /// Program and arguments.
    pub command: Vec<String>,
    /// How long it may take.
    pub timeout: Duration,
}

/// A TLS certificate over evidence that the shield makes for the workload (spec/ra-tls.md).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RaTls {
    /// The folder in which it and its key are.
    pub path: String,
    /// How long each one is valid.
    pub lifetime: Duration,
    /// What the workload is sent when there is a new one.
    pub reload: Option<Reload>,
}

/// A launch manifest that keeps every rule of spec/manifest.md.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Manifest {
    /// SHA-256 of the bytes that were parsed.
    pub digest: [u8; 32],
    /// What kind of workload it is.
    pub role: Role,
    /// Identity of the only custodian that may release to it; there for [`Role::Workload`].
    pub custodian: Option<[u8; 32]>,
    /// Whose configuration it asks for, with the genesis digest; there for [`Role::Workload`].
    pub policy: Option<(PolicyBinding, [u8; 32])>,
    /// The private root, sorted by path.
    pub root: Vec<RootEntry>,
    /// The private root as sealed layers; `root` is empty then.
    pub image: Option<Image>,
    /// Empty file systems in memory, sorted by path.
    pub writable: Vec<Writable>,
    /// Folders of the host, sorted by path.
    pub mounts: Vec<Mount>,
    /// Where the policy mounts sealed volumes, sorted.
    pub volumes: Vec<String>,
    /// The only paths at which the policy may place files, sorted.
    pub files: Vec<String>,
    /// How a container engine may learn whether the workload is well.
    pub health: Option<HealthCheck>,
    /// A TLS certificate for it.
    pub ra_tls: Option<RaTls>,
    /// Program and fixed leading arguments.
    pub entrypoint: Vec<String>,
    /// Further arguments, with holes.
    pub arguments: Vec<String>,
    /// The whole environment, values with holes.
    pub environment: BTreeMap<String, String>,
    /// Values that are filled in later.
    pub holes: BTreeMap<String, Hole>,
    /// Whom the workload runs as; `None` leaves it to the policy.
    pub user: Option<User>,
    /// What it keeps of root's rights, sorted.
    pub capabilities: Vec<Capability>,
    /// Absolute path that the workload starts in.
    pub working_directory: String,
}

impl Manifest {
    /// Parses `data`, the exact bytes as measured.
    ///
    /// # Errors
    /// [`ManifestError`], for any bytes that are not a canonical manifest within every limit.
    pub fn parse(data: &[u8]) -> Result<Self, ManifestError> {
        if data.len() > MAX_MANIFEST_BYTES {
            return Err(ManifestError::TooLarge { got: data.len() });
        }
        let form: form::Form =
            serde_json::from_slice(data).map_err(|error| ManifestError::Malformed(error.to_string()))?;
        let spelled = serde_json::to_vec(&form).map_err(|error| ManifestError::Malformed(error.to_string()))?;
        if spelled != data {
            return Err(ManifestError::NotCanonical);
        }
        let manifest = form.into_manifest(Sha256::digest(data).into())?;
        rules::check(&manifest)?;
        Ok(manifest)
    }
}

#[cfg(test)]
mod tests;
#[cfg(test)]
mod vectors;
