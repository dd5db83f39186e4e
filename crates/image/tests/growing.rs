//! A file system is hashed while it is written, and what can be read in its archive again is not kept beside it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::fs::File;
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{FileExt, MetadataExt};

use casemate_erofs::{Attributes, Writer};
use casemate_image::sealed::{Error, Growing, Hashed, ImageKey, PIECE, seal};
use casemate_image::unpack::{Limits, unpack};
use flate2::Compression;
use flate2::write::GzEncoder;
use tar::{Builder, EntryType, Header};
use tempfile::tempfile;

const LARGE: usize = 5_000_017;
/// In a sparse file of the archive: where its data begins, and how much of it there is.
const DATA: (u64, usize) = (81_920, 300_000);

fn key() -> ImageKey {
    ImageKey::new([7; 32])
}

fn content(length: usize, seed: usize) -> Vec<u8> {
    (0..length).map(|at| ((at + seed) / 7 % 251 + 1) as u8).collect()
}

/// Files large and small, with holes and without.
fn archive() -> Vec<u8> {
    let mut builder = Builder::new(Vec::new());
    let mut holes = content(LARGE, 3);
    holes[100_000..700_000].fill(0);
    holes[4_000_000..4_004_096].fill(0);
    for (name, bytes) in [
        ("first", content(LARGE, 0)),
        ("holes", holes),
        ("short", content(17, 1)),
        ("small", content(9000, 2)),
        ("whole", content(16 * 65_536, 4)),
        ("empty", Vec::new()),
        ("again", content(65_537, 5)),
    ] {
        let mut header = header(bytes.len());
        builder.append_data(&mut header, name, &bytes[..]).unwrap();
    }
    sparse(&mut builder);
    builder.into_inner().unwrap()
}

fn sparse(builder: &mut Builder<Vec<u8>>) {
    let mut header = header(DATA.1);
    header.set_entry_type(EntryType::GNUSparse);
    let gnu = header.as_gnu_mut().unwrap();
    gnu.name[..6].copy_from_slice(b"sparse");
    gnu.realsize[..12].copy_from_slice(format!("{:011o}\0", DATA.0 + DATA.1 as u64).as_bytes());
    gnu.sparse[0].offset[..12].copy_from_slice(format!("{:011o}\0", DATA.0).as_bytes());
    gnu.sparse[0].numbytes[..12].copy_from_slice(format!("{:011o}\0", DATA.1).as_bytes());
    header.set_cksum();
    builder.append(&header, &content(DATA.1, 6)[..]).unwrap();
}

fn header(size: usize) -> Header {
    let mut header = Header::new_gnu();
    header.set_size(size as u64);
    header.set_mode(0o644);
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(0);
    header
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file.rewind().unwrap();
    file
}

/// With what was kept of the file system.
fn hashed(from: impl Read + Send, archive: Option<File>) -> (Hashed, File) {
    let kept = tempfile().unwrap();
    let growing = Growing::new(kept.try_clone().unwrap(), archive, Some(&key())).unwrap();
    let mut writer = Writer::new(growing, tempfile().unwrap(), Attributes::default()).unwrap();
    unpack(from, &mut writer, &Limits::default()).unwrap();
    (writer.finish().unwrap().0.finish().unwrap(), kept)
}

/// From an archive in a file.
fn lent(archive: &File) -> (Hashed, File) {
    hashed(archive.try_clone().unwrap(), Some(archive.try_clone().unwrap()))
}

fn sealed(hashed: &Hashed) -> Result<Vec<u8>, Error> {
    let mut out = Vec::new();
    seal(hashed, &mut out).map(|()| out)
}

/// Bytes that a file takes on the disk.
fn taken(file: &File) -> u64 {
    file.metadata().unwrap().blocks() * 512
}

#[test]
fn content_in_an_archive_that_is_not_compressed_is_not_kept_and_changes_nothing() {
    let bytes = archive();
    let (whole, all) = hashed(&bytes[..], None);
    let (hashed, kept) = lent(&file(&bytes));
    assert_eq!(hashed.root(), whole.root());
    assert!(sealed(&hashed).unwrap() == sealed(&whole).unwrap());
    let (all, kept) = (taken(&all), taken(&kept));
    assert!(all > 2 * LARGE as u64 && kept < 1 << 20, "{all}, {kept}");
}

#[test]
fn of_a_compressed_archive_everything_is_kept() {
    let bytes = archive();
    let mut gzip = GzEncoder::new(Vec::new(), Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let (whole, _) = hashed(&bytes[..], None);
    let (hashed, kept) = lent(&file(&gzip.finish().unwrap()));
    assert!(taken(&kept) > 2 * LARGE as u64);
    assert!(sealed(&hashed).unwrap() == sealed(&whole).unwrap());
}

#[test]
fn an_archive_that_changes_before_it_is_sealed_is_not_sealed() {
    let archive = file(&archive());
    let (hashed, _) = lent(&archive);
    assert!(sealed(&hashed).is_ok());
    // Content of the first file begins in the second block of the file system, behind one header of the archive.
    archive.write_all_at(b"other", 512 + 7 * PIECE as u64).unwrap();
    assert!(matches!(sealed(&hashed), Err(Error::Changed { piece: 7 })));
    archive.set_len(512 + 3 * PIECE as u64).unwrap();
    assert!(matches!(sealed(&hashed), Err(Error::Changed { piece: 3 })));
}

#[test]
fn a_file_system_that_cannot_be_kept_is_not_hashed() {
    let full = File::options().read(true).write(true).open("/dev/full").unwrap();
    let mut growing = Growing::new(full, None, None).unwrap();
    let written = growing.write_all(&content(LARGE, 0)[..4096 * 1000]);
    assert!(
        written
            .and_then(|()| growing.finish().map(drop).map_err(std::io::Error::other))
            .is_err()
    );
}
