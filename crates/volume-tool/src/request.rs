//! What can be asked for.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casemate_custodian_client::{Mode, RootKind};
use casemate_request::thirty_two;
use casemate_volume::anchor::Durability;
use casemate_volume::{Freshness, Roots, VolumeKey};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::control::Action;

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
        /// Shows this snapshot; for reading.
        snapshot: Option<String>,
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
    /// Copies a volume, or what changed in it, into another under another key.
    Copy {
        volume: Place,
        freshness: FreshnessName,
        target: Box<Place>,
        /// The snapshot to copy; the newest state where it is absent.
        snapshot: Option<String>,
        /// The snapshot that the target is a copy of.
        since: Option<String>,
        /// Bytes of a target that is new; what the host has free where it is absent.
        capacity: Option<u64>,
    },
    /// Asks the process that serves a mount about snapshots.
    SnapshotMounted {
        mountpoint: PathBuf,
        state: PathBuf,
        asked: Action,
    },
    /// Keeps a volume that is not mounted as it is under a name.
    SnapshotCreate { volume: Place, name: String },
    /// All snapshots.
    SnapshotList { volume: Place, freshness: FreshnessName },
    /// Deletes one of a volume that is not mounted.
    SnapshotDelete { volume: Place, name: String },
    /// Writes it anew under another key, and forgets the old one.
    Rekey {
        volume: Place,
        /// Where no policy says.
        freshness: FreshnessName,
        /// Absent where a custodian lent the volume: then it made the next key as well.
        #[serde(deserialize_with = "some_key")]
        next_key: Option<VolumeKey>,
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
    /// A file; absent where nobody asks one.
    pub anchor: Option<AnchorFile>,
    /// Whoever lent the volume; the anchor is there then.
    pub lent: Option<Loan>,
}

/// What a custodian lent (spec/protocol.md, "Volumes by hand"), and how it is reached.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Loan {
    /// The custodian's genesis record.
    #[serde(deserialize_with = "bytes")]
    pub genesis: Vec<u8>,
    /// SHA-256 of it, as it was pinned.
    #[serde(deserialize_with = "thirty_two")]
    pub identity: Zeroizing<[u8; 32]>,
    /// `http://`, an IP literal and a port.
    pub addresses: Vec<String>,
    /// Of the key that the lease was made for.
    pub signing_seed: Seed,
    pub lease: String,
    pub seconds: u64,
    /// When the lease was first asked for, in milliseconds of CLOCK_BOOTTIME.
    pub asked_ms: u64,
    /// The volume's name in the policy.
    pub volume: String,
    pub mode: Mode,
    pub freshness: FreshnessName,
    pub root: RootKind,
    pub interval_ms: Option<u64>,
    /// What the volume is to be sealed with next, where it was lent for that.
    #[serde(default, deserialize_with = "some_key")]
    pub next_key: Option<VolumeKey>,
}

/// An anchor in a file.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnchorFile {
    pub file: PathBuf,
    #[serde(with = "DurabilityName")]
    pub durability: Durability,
}

/// The private half of a signing key.
#[derive(Deserialize)]
#[serde(transparent)]
pub struct Seed(#[serde(deserialize_with = "thirty_two")] pub Zeroizing<[u8; 32]>);

impl std::fmt::Debug for Seed {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("Seed(<redacted>)")
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
    thirty_two(deserializer).map(|bytes| VolumeKey::new(*bytes))
}

fn some_key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<VolumeKey>, D::Error> {
    #[derive(Deserialize)]
    struct Key(#[serde(deserialize_with = "key")] VolumeKey);
    Ok(Option::<Key>::deserialize(deserializer)?.map(|key| key.0))
}

fn bytes<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<u8>, D::Error> {
    let text = String::deserialize(deserializer)?;
    let malformed = |_| serde::de::Error::custom("not base64url");
    URL_SAFE_NO_PAD.decode(text.as_bytes()).map_err(malformed)
}
