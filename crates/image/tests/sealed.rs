//! A sealed layer gives what was sealed, or nothing.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;

use casemate_image::blob::{self, BlobError};
use casemate_image::sealed::{Error, Growing, Hashed, ImageKey, Layer, PIECE, Root, seal};
use tempfile::tempfile;

const BLOCK: usize = 4096;

fn key() -> ImageKey {
    ImageKey::new([7; 32])
}

fn image(blocks: usize) -> Vec<u8> {
    (0..blocks * BLOCK).map(|at| (at / 7 % 251) as u8).collect()
}

fn hashed(image: &[u8], key: Option<&ImageKey>) -> Hashed {
    let mut growing = Growing::new(tempfile().unwrap(), None, key).unwrap();
    growing.write_all(image).unwrap();
    growing.finish().unwrap()
}

fn sealed(image: &[u8], key: Option<&ImageKey>) -> (Root, Vec<u8>) {
    let hashed = hashed(image, key);
    let mut out = Vec::new();
    seal(&hashed, &mut out).unwrap();
    (hashed.root(), out)
}

fn file(bytes: &[u8]) -> File {
    let mut file = tempfile().unwrap();
    file.write_all(bytes).unwrap();
    file
}

fn open(bytes: &[u8], root: Root, key: Option<&ImageKey>) -> Result<Layer, Error> {
    Layer::open(file(bytes), root, key)
}

fn content(layer: &Layer) -> Result<Vec<u8>, Error> {
    let mut out = vec![0; usize::try_from(layer.size()).unwrap() + 10];
    let count = layer.read_at(0, &mut out)?;
    out.truncate(count);
    Ok(out)
}

#[test]
fn what_was_sealed_is_read_whatever_its_size() {
    for key in [Some(key()), None] {
        for blocks in [1, 3, 4, 5, 2048, 2049, 4 * 512 * 3 + 1] {
            let bytes = image(blocks);
            let (root, sealed) = sealed(&bytes, key.as_ref());
            let layer = open(&sealed, root, key.as_ref()).unwrap();
            assert!(content(&layer).unwrap() == bytes, "{blocks}");
            let mut some = [0; 5000];
            let at = bytes.len() as u64 - 4096;
            assert_eq!(layer.read_at(at, &mut some).unwrap(), 4096);
            assert_eq!(some[..4096], bytes[bytes.len() - 4096..]);
            assert_eq!(layer.read_at(at + 4096, &mut some).unwrap(), 0);
        }
    }
}

#[test]
fn the_same_input_gives_the_same_bytes_and_another_key_other_ones() {
    let image = image(100);
    let (root, bytes) = sealed(&image, Some(&key()));
    assert_eq!((root, bytes.clone()), sealed(&image, Some(&key())));
    let other = ImageKey::new([8; 32]);
    let (other_root, other_bytes) = sealed(&image, Some(&other));
    assert_ne!(
        root, other_root,
        "the root would tell everybody which public content this is"
    );
    assert!(
        bytes[BLOCK..]
            .chunks(PIECE)
            .zip(other_bytes[BLOCK..].chunks(PIECE))
            .all(|(one, two)| one != two)
    );
}

#[test]
fn nothing_of_the_content_is_in_an_encrypted_layer() {
    let bytes = image(64);
    let (_, sealed) = sealed(&bytes, Some(&key()));
    let part = &bytes[5000..5032];
    assert!(!sealed.windows(part.len()).any(|window| window == part));
}

#[test]
fn every_changed_byte_is_refused_or_never_read() {
    for key in [Some(key()), None] {
        let bytes = image(9);
        let (root, sealed) = sealed(&bytes, key.as_ref());
        let step = if key.is_some() { 1 } else { 3 };
        for at in (0..sealed.len()).step_by(step) {
            let mut changed = sealed.clone();
            changed[at] ^= 0x40;
            let read = open(&changed, root, key.as_ref()).and_then(|layer| content(&layer));
            assert!(read.is_err(), "byte {at}");
        }
        assert!(content(&open(&sealed, root, key.as_ref()).unwrap()).unwrap() == bytes);
    }
}

#[test]
fn each_piece_of_a_long_read_is_held_against_the_root_and_a_refused_read_gives_nothing() {
    for key in [Some(key()), None] {
        let bytes = image(4 * 11);
        let (root, sealed) = sealed(&bytes, key.as_ref());
        let stride = PIECE + key.as_ref().map_or(0, |_| 16);
        for number in 0..11 {
            let mut changed = sealed.clone();
            changed[BLOCK + number * stride + 77] ^= 1;
            let layer = open(&changed, root, key.as_ref()).unwrap();
            // From the first piece on, and from within it.
            for from in [0, 100] {
                let mut out = vec![0; bytes.len() - from];
                let refused = layer.read_at(from as u64, &mut out).unwrap_err();
                assert!(
                    matches!(refused, Error::Tampered { piece } if piece == number as u64),
                    "{number}: {refused}"
                );
                assert!(out.iter().all(|byte| *byte == 0), "{number}");
            }
        }
        let layer = open(&sealed, root, key.as_ref()).unwrap();
        for (from, to) in [
            (0, 4 * PIECE),
            (100, 9 * PIECE),
            (PIECE - 1, 6 * PIECE + 1),
            (3 * PIECE, bytes.len()),
        ] {
            let mut out = vec![0; to - from];
            assert_eq!(layer.read_at(from as u64, &mut out).unwrap(), to - from);
            assert!(out == bytes[from..to], "{from} to {to}");
        }
    }
}

#[test]
fn pieces_elsewhere_are_refused() {
    let image = image(16);
    let (root, sealed) = sealed(&image, Some(&key()));
    let stride = PIECE + 16;
    let mut exchanged = sealed.clone();
    exchanged[BLOCK..BLOCK + stride].copy_from_slice(&sealed[BLOCK + stride..BLOCK + 2 * stride]);
    exchanged[BLOCK + stride..BLOCK + 2 * stride].copy_from_slice(&sealed[BLOCK..BLOCK + stride]);
    let layer = open(&exchanged, root, Some(&key())).unwrap();
    assert!(matches!(content(&layer), Err(Error::Tampered { piece: 0 })));
}

#[test]
fn what_does_not_fit_is_refused_before_anything_is_read() {
    let image = image(5);
    let (root, sealed) = sealed(&image, Some(&key()));
    let refused = |bytes: &[u8], root, key: Option<&ImageKey>| open(bytes, root, key).map(drop).unwrap_err();
    let other = ImageKey::new([8; 32]);
    assert!(matches!(refused(&sealed, root, Some(&other)), Error::Tampered { .. }));
    assert!(matches!(
        refused(&sealed, Root::new([1; 32]), Some(&key())),
        Error::Tampered { .. }
    ));
    assert!(matches!(refused(&sealed, root, None), Error::Protection));
    assert!(matches!(
        refused(&sealed[..sealed.len() - 1], root, Some(&key())),
        Error::Length { .. }
    ));
    assert!(matches!(
        refused(&[&sealed[..], &[0]].concat(), root, Some(&key())),
        Error::Length { .. }
    ));
    assert!(matches!(refused(&sealed[..100], root, Some(&key())), Error::Unknown));
    assert!(matches!(refused(&[0; 9000], root, Some(&key())), Error::Unknown));
}

#[test]
fn the_host_cannot_pass_off_another_file_system_as_readable() {
    // Whoever has the key of the image, but not the word of who approved the root.
    let mut image = image(5);
    let (root, _) = sealed(&image, Some(&key()));
    image[..5].copy_from_slice(b"other");
    let (other, bytes) = sealed(&image, Some(&key()));
    assert_ne!(other, root);
    assert!(matches!(open(&bytes, root, Some(&key())), Err(Error::Tampered { .. })));
}

#[test]
fn a_file_system_that_changes_while_it_is_sealed_is_not_sealed() {
    let kept = tempfile().unwrap();
    let mut growing = Growing::new(kept.try_clone().unwrap(), None, Some(&key())).unwrap();
    growing.write_all(&image(40)).unwrap();
    let hashed = growing.finish().unwrap();
    let outcome = || seal(&hashed, &mut Vec::new());
    assert!(outcome().is_ok());
    kept.write_all_at(b"other", 5 * PIECE as u64).unwrap();
    assert!(matches!(outcome(), Err(Error::Changed { piece: 5 })));
    kept.set_len(2 * PIECE as u64 + 1).unwrap();
    assert!(matches!(outcome(), Err(Error::Changed { piece: 2 })));
}

#[test]
fn only_whole_blocks_are_sealed() {
    for length in [0, 100, 4097] {
        let mut growing = Growing::new(tempfile().unwrap(), None, None).unwrap();
        growing.write_all(&vec![1; length]).unwrap();
        assert!(matches!(growing.finish(), Err(Error::Size)));
    }
}

#[test]
fn a_blob_is_an_archive_with_the_layer_in_it() {
    let bytes = image(21);
    for key in [Some(key()), None] {
        let hashed = hashed(&bytes, key.as_ref());
        let mut out = Vec::new();
        let written = blob::write(&hashed, &mut out).unwrap();
        assert_eq!(
            (written.size, blob::length(&hashed)),
            (out.len() as u64, out.len() as u64)
        );
        let mut archive = tar::Archive::new(&out[..]);
        let paths = archive
            .entries()
            .unwrap()
            .map(|entry| entry.unwrap().path().unwrap().into_owned());
        let name = format!("casemate/layers/{}", hashed.root());
        assert!(paths.eq(["casemate/", "casemate/layers/", &name].map(std::path::PathBuf::from)));
        let opened = blob::open(file(&out), hashed.root(), key.as_ref()).unwrap();
        assert!(content(&opened).unwrap() == bytes);
        let either = blob::open_either(file(&out), hashed.root(), key.as_ref()).unwrap();
        assert_eq!(either.size(), opened.size());
        let other = blob::open(file(&out), Root::new([1; 32]), key.as_ref());
        assert!(matches!(other, Err(BlobError::Unknown)));
        for length in [0, 1535, 1536, 9000, out.len() - 1536] {
            assert!(
                blob::open(file(&out[..length]), hashed.root(), key.as_ref()).is_err(),
                "{length}"
            );
        }
    }
}
