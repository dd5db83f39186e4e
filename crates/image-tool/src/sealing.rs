//! From a layer's archive to a blob.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use casemate_erofs::{Attributes, Writer};
use casemate_image::blob;
use casemate_image::sealed::{Growing, ImageKey};
use casemate_image::unpack::{Limits, unpack};
use casemate_request::progress;
use rustix::fs::{Mode, OFlags};
use serde_json::{Value, json};

use crate::opening;
use crate::out::Out;
use crate::report::Failure;
use crate::request::Digest;

/// Bytes between two words about how far the work is.
const STEP: u64 = 16 << 20;

/// Seals an archive's file system, if the archive hashes to what the image's configuration says.
pub fn seal(
    archive: &Path,
    target: &Path,
    key: Option<&ImageKey>,
    diff_id: &Digest,
    limits: &Limits,
) -> Result<Value, Failure> {
    let about = |error: &io::Error| Failure::host(archive, error);
    let opened = opening::regular(archive)?;
    let total = opened.metadata().map_err(|error| about(&error))?.len();
    let again = opened.try_clone().map_err(|error| about(&error))?;
    let told = Told {
        from: opened,
        done: 0,
        total,
    };
    let folder = target.parent().unwrap_or(Path::new("/"));
    let nameless = || nameless(folder).map_err(|error| Failure::host(folder, &error));
    let root = Attributes {
        permissions: 0o755,
        ..Attributes::default()
    };
    let written = |error: casemate_erofs::Error| Failure::host(folder, &io::Error::other(error));
    let growing = Growing::new(nameless()?, Some(again), key)?;
    let mut writer = Writer::new(growing, nameless()?, root).map_err(written)?;
    let taken = unpack(told, &mut writer, limits)?;
    diff_id.check(&taken.digest)?;
    let (growing, blocks) = writer.finish().map_err(written)?;
    let hashed = growing.finish()?;
    let created = Out::create(target, blob::length(&hashed));
    let mut out = created.map_err(|error| Failure::host(target, &error))?;
    let blob = blob::write(&hashed, &mut out)?;
    out.finish().map_err(|error| Failure::host(target, &error))?;
    Ok(json!({
        "root": format!("sha256:{}", hashed.root()),
        "blocks": blocks,
        "entries": taken.entries,
        "bytes": taken.bytes,
        "blob": {"digest": format!("sha256:{}", blob.digest()), "size": blob.size},
    }))
}

/// A file without a name, for what is in the clear: it goes with this process, however that ends.
fn nameless(folder: &Path) -> io::Result<File> {
    let flags = OFlags::RDWR | OFlags::TMPFILE | OFlags::CLOEXEC | OFlags::EXCL;
    Ok(rustix::fs::open(folder, flags, Mode::RUSR | Mode::WUSR)?.into())
}

/// Says how far the reading is.
struct Told {
    from: File,
    done: u64,
    total: u64,
}

impl Read for Told {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        let before = self.done / STEP;
        self.done += count as u64;
        if self.done / STEP > before {
            progress(self.done, self.total);
        }
        Ok(count)
    }
}
