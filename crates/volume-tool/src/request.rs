//! What can be asked for.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casemate_volume::anchor::Durability;
use casemate_volume::{Freshness, Roots, VolumeKey};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

/// One request. Paths are absolute.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Makes a volume and its anchor's file.
    Create {
        volume: Place,
        roots: RootsName,
        /// Bytes; what the host has free where it is absent.
        capacity: Option<u64>,
        log: Option<u64>,
    },
    /// Mounts, and serves until somebody unmounts.
    Mount {
        volume: Place,
        mountpoint: PathBuf,
        freshness: FreshnessName,
        read_only: bool,
        shared: bool,
        /// Where the outcome is left for [`Request::Unmount`].
        state: PathBuf,
    },
    /// Unmounts, and waits until the last of it is anchored.
    Unmount { mountpoint: PathBuf, state: PathBuf },
    /// What a volume is and where it stands.
    Info { volume: Place, freshness: FreshnessName },
    /// Copies a folder of the host into a directory of the volume.
    Import {
        volume: Place,
        freshness: FreshnessName,
        source: PathBuf,
        into: String,
    },
    /// Copies the whole volume into a new folder of the host.
    Export {
        volume: Place,
        freshness: FreshnessName,
        target: PathBuf,
        salvage: bool,
    },
    /// Holds all that the tree says against itself; reads no data of files.
    Check { volume: Place, freshness: FreshnessName },
    /// Checks, then reads and opens all data.
    Verify { volume: Place, freshness: FreshnessName },
}

/// A volume, its key and its anchor.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Place {
    /// The host's folder.
    pub folder: PathBuf,
    #[serde(deserialize_with = "key")]
    pub key: VolumeKey,
    /// Absent only where nobody asks it.
    pub anchor: Option<AnchorFile>,
}

/// An anchor in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorFile {
    pub file: PathBuf,
    #[serde(with = "DurabilityName")]
    pub durability: Durability,
}

impl From<Place> for casemate_volume_local::Place {
    fn from(place: Place) -> Self {
        let anchor = place.anchor.map(|anchor| casemate_volume_local::AnchorFile {
            file: anchor.file,
            durability: anchor.durability,
        });
        Self {
            folder: place.folder,
            key: place.key,
            anchor,
            // The kernel keeps what a mount read, and everything else reads once.
            keeps_reads: false,
        }
    }
}

#[derive(Deserialize)]
#[serde(remote = "Durability", rename_all = "kebab-case")]
enum DurabilityName {
    Lazy,
    Durable,
}

/// [`Roots`] by name.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RootsName {
    Tag,
    Hash,
}

impl From<RootsName> for Roots {
    fn from(name: RootsName) -> Self {
        match name {
            RootsName::Tag => Self::Tag,
            RootsName::Hash => Self::Hash,
        }
    }
}

/// [`Freshness`] by name.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FreshnessName {
    Strict,
    Interval,
    None,
}

impl From<FreshnessName> for Freshness {
    fn from(name: FreshnessName) -> Self {
        match name {
            FreshnessName::Strict => Self::Strict,
            FreshnessName::Interval => Self::Interval,
            FreshnessName::None => Self::None,
        }
    }
}

fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<VolumeKey, D::Error> {
    let text = Zeroizing::new(String::deserialize(deserializer)?);
    let malformed = || serde::de::Error::custom("a key is 32 bytes in base64url");
    let mut bytes = Zeroizing::new([0; 32]);
    let length = URL_SAFE_NO_PAD.decode_slice(text.as_bytes(), bytes.as_mut_slice());
    match length {
        Ok(32) => Ok(VolumeKey::new(*bytes)),
        _ => Err(malformed()),
    }
}
