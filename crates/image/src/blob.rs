//! A sealed layer as container engines carry it: a layer of an OCI image, whose archive holds one file.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use aws_lc_rs::digest::{Context, SHA256};
use tar::{EntryType, Header};

use crate::sealed::{self, Hashed, ImageKey, Layer, Root};

/// Where sealed layers lie in the image, by their roots.
pub const FOLDER: &str = "casemate/layers/";
/// Directories before the file, so that engines make them the same way.
const FOLDERS: [&str; 2] = ["casemate/", FOLDER];
/// Bytes of a header, and what an archive is filled up to.
const BLOCK: u64 = 512;
/// Bytes of zeros that say the end.
const END: usize = 1024;

/// A blob that was written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Written {
    /// SHA-256 of all its bytes.
    pub digest: [u8; 32],
    /// How many there are.
    pub size: u64,
}

impl Written {
    /// The digest in hexadecimal digits.
    #[must_use]
    pub fn digest(&self) -> String {
        self.digest.iter().map(|byte| format!("{byte:02x}")).collect()
    }
}

/// Why a blob is not opened.
#[derive(Debug, thiserror::Error)]
pub enum BlobError {
    /// The host.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// No such archive as [`write`] writes.
    #[error("this is no layer of a protected image, or not of the one that the manifest names")]
    Unknown,
    /// The layer in it.
    #[error(transparent)]
    Layer(#[from] sealed::Error),
}

/// Bytes of the archive with a file system's sealed layer.
#[must_use]
pub fn length(hashed: &Hashed) -> u64 {
    let before = BLOCK * (FOLDERS.len() as u64 + 1);
    before + hashed.sealed_length().next_multiple_of(BLOCK) + END as u64
}

/// Writes it.
///
/// # Errors
/// Those of [`sealed::seal`].
pub fn write(hashed: &Hashed, out: impl Write) -> Result<Written, sealed::Error> {
    let mut out = Hashing {
        out,
        hash: Context::new(&SHA256),
        size: 0,
    };
    let length = hashed.sealed_length();
    for header in headers(&hashed.root(), length) {
        out.write_all(header.as_bytes())?;
    }
    sealed::seal(hashed, &mut out)?;
    let fills = length.next_multiple_of(BLOCK) - length;
    out.write_all(&[0; BLOCK as usize][..usize::try_from(fills).unwrap_or(0)])?;
    out.write_all(&[0; END])?;
    out.out.flush()?;
    let mut digest = [0; 32];
    digest.copy_from_slice(out.hash.finish().as_ref());
    Ok(Written { digest, size: out.size })
}

/// Opens the layer in an archive, without unpacking it.
///
/// # Errors
/// [`BlobError`].
pub fn open(file: File, root: Root, key: Option<&ImageKey>) -> Result<Layer, BlobError> {
    let before = BLOCK * (FOLDERS.len() as u64 + 1);
    let mut said = [0; BLOCK as usize];
    file.read_exact_at(&mut said, before - BLOCK)
        .map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => BlobError::Unknown,
            _ => BlobError::Io(error),
        })?;
    let length = Header::from_byte_slice(&said)
        .entry_size()
        .map_err(|_| BlobError::Unknown)?;
    let expected: Vec<u8> = headers(&root, length)
        .iter()
        .flat_map(|header| *header.as_bytes())
        .collect();
    let mut got = vec![0; expected.len()];
    file.read_exact_at(&mut got, 0)?;
    if got != expected {
        return Err(BlobError::Unknown);
    }
    Ok(Layer::open_within(file, before, length, root, key)?)
}

/// Opens a layer that is a file of its own or lies in an archive.
///
/// # Errors
/// [`BlobError`].
pub fn open_either(file: File, root: Root, key: Option<&ImageKey>) -> Result<Layer, BlobError> {
    if Layer::begins(&file)? {
        return Ok(Layer::open(file, root, key)?);
    }
    open(file, root, key)
}

/// Headers up to the file's content. The same root and length give the same bytes.
fn headers(root: &Root, length: u64) -> Vec<Header> {
    let folders = FOLDERS
        .iter()
        .map(|folder| header(folder, EntryType::Directory, 0o555, 0));
    let file = header(&format!("{FOLDER}{root}"), EntryType::Regular, 0o444, length);
    folders.chain([file]).collect()
}

fn header(path: &str, kind: EntryType, mode: u32, size: u64) -> Header {
    let mut header = Header::new_gnu();
    let name = &mut header.as_old_mut().name;
    name[..path.len()].copy_from_slice(path.as_bytes());
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header.set_size(size);
    header.set_cksum();
    header
}

struct Hashing<W> {
    out: W,
    hash: Context,
    size: u64,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.write_all(bytes)?;
        Ok(bytes.len())
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.hash.update(bytes);
        self.size += bytes.len() as u64;
        self.out.write_all(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}
