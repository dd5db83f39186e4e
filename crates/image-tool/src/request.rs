//! What can be asked for.

use std::path::PathBuf;

use casemate_image::blob;
use casemate_image::merged::Merged;
use casemate_image::sealed::{ImageKey, Layer, Root};
use casemate_image::unpack;
use casemate_request::{Refusal, hex, thirty_two};
use serde::{Deserialize, Deserializer};
use zeroize::Zeroizing;

use crate::opening;
use crate::report::Failure;

/// One request. Paths are absolute.
#[derive(Debug, Deserialize)]
#[serde(tag = "command", rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// Makes a blob with a sealed layer of a layer's archive.
    Seal {
        archive: PathBuf,
        /// A new file.
        target: PathBuf,
        #[serde(deserialize_with = "key")]
        key: Option<ImageKey>,
        /// What the archive, not compressed, hashes to.
        diff_id: Digest,
        limits: Limits,
    },
    /// Says what is in an image, a line each.
    List {
        image: Image,
        /// With the SHA-256 of files' content.
        digests: bool,
    },
    /// Says what is at some paths of an image, links followed, and what is in files there.
    Look { image: Image, paths: Vec<String> },
    /// Writes an archive of all that an image shows.
    Export { image: Image, target: PathBuf },
    /// Reads and verifies everything.
    Verify { image: Image },
}

/// What is taken of one archive.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Limits {
    bytes: u64,
    entries: u64,
    attributes: u64,
}

impl From<Limits> for unpack::Limits {
    fn from(limits: Limits) -> Self {
        Self {
            bytes: limits.bytes,
            entries: limits.entries,
            attributes: limits.attributes,
        }
    }
}

/// A SHA-256, as `sha256:` and hexadecimal digits.
#[derive(Debug, PartialEq, Eq, Deserialize)]
#[serde(transparent)]
pub struct Digest(String);

impl Digest {
    /// Refuses what is not this.
    pub fn check(&self, got: &[u8]) -> Result<(), Failure> {
        let got = format!("sha256:{}", hex(got));
        if self.0 == got {
            return Ok(());
        }
        let message = format!("the archive hashes to {got}, the image's configuration says {}", self.0);
        Err(Failure::new("tampered", message))
    }
}

/// A protected image.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Image {
    /// From the bottom up.
    layers: Vec<Blob>,
    #[serde(deserialize_with = "key")]
    key: Option<ImageKey>,
}

/// A blob with a sealed layer.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Blob {
    path: PathBuf,
    /// What the manifest says.
    #[serde(deserialize_with = "root")]
    root: Root,
}

impl Image {
    /// Opens the layers.
    pub fn layers(&self) -> Result<Vec<Layer>, Failure> {
        self.layers.iter().map(|blob| blob.open(self.key.as_ref())).collect()
    }

    /// Opens it as one tree.
    pub fn open(&self) -> Result<Merged, Failure> {
        Ok(Merged::open(self.layers()?)?)
    }
}

impl Blob {
    fn open(&self, key: Option<&ImageKey>) -> Result<Layer, Failure> {
        let file = opening::regular(&self.path)?;
        let opened = blob::open(file, self.root, key);
        opened.map_err(|error| Failure::from(error).about(&format!("layer {}", self.root)))
    }
}

fn key<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<ImageKey>, D::Error> {
    #[derive(Deserialize)]
    struct Key(#[serde(deserialize_with = "thirty_two")] Zeroizing<[u8; 32]>);
    Ok(Option::<Key>::deserialize(deserializer)?.map(|key| ImageKey::new(*key.0)))
}

fn root<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Root, D::Error> {
    let text = String::deserialize(deserializer)?;
    let parsed = text.strip_prefix("sha256:").and_then(Root::parse);
    parsed.ok_or_else(|| serde::de::Error::custom("not sha256: and 64 hexadecimal digits"))
}
