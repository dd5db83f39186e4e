//! What the writer wrote, as Linux reads it. Needs root; says so where it is not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::process::Command;

use casemate_erofs::{Attributes, Device, Kind, Node, Time, Tree, Writer};
use tempfile::{TempDir, tempfile};

/// A file system under way.
struct Made {
    folder: TempDir,
    writer: Writer<fs::File, fs::File>,
}

/// One that is mounted, until it is dropped.
struct Mounted {
    folder: TempDir,
}

fn attributes() -> Attributes {
    Attributes {
        permissions: 0o755,
        uid: 70_000,
        gid: 7,
        modified: Time {
            seconds: -3,
            nanoseconds: 999_999_999,
        },
        extended: BTreeMap::new(),
    }
}

impl Made {
    fn new() -> Self {
        let folder = TempDir::new().unwrap();
        let out = fs::File::create(folder.path().join("image")).unwrap();
        let writer = Writer::new(out, tempfile().unwrap(), attributes()).unwrap();
        Self { folder, writer }
    }

    fn file(&mut self, directory: Node, name: &[u8], bytes: &[u8]) -> Node {
        let content = self.writer.content(&mut &bytes[..], bytes.len() as u64).unwrap();
        let put = self.writer.tree.put(directory, name, Kind::File(content), attributes());
        put.unwrap()
    }

    fn put(&mut self, directory: Node, name: &[u8], kind: Kind) -> Node {
        self.writer.tree.put(directory, name, kind, attributes()).unwrap()
    }

    /// Mounts it; `None` where only root may.
    fn mount(self) -> Option<Mounted> {
        let (out, blocks) = self.writer.finish().unwrap();
        assert_eq!(out.metadata().unwrap().len(), u64::from(blocks) * 4096);
        let mounted = Mounted { folder: self.folder };
        fs::create_dir(mounted.root()).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "erofs", "-o", "ro,loop"])
            .arg(mounted.folder.path().join("image"));
        let done = mount.arg(mounted.root()).output().unwrap();
        if !done.status.success() {
            assert!(!is_root(), "{}", String::from_utf8_lossy(&done.stderr));
            eprintln!("skipped: only root mounts EROFS");
            return None;
        }
        Some(mounted)
    }
}

fn is_root() -> bool {
    rustix::process::geteuid().is_root()
}

impl Mounted {
    fn root(&self) -> PathBuf {
        self.folder.path().join("root")
    }

    fn path(&self, name: &[u8]) -> PathBuf {
        self.root().join(Path::new(std::ffi::OsStr::from_bytes(name)))
    }
}

impl Drop for Mounted {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(self.root()).status();
    }
}

fn noise(length: usize) -> Vec<u8> {
    let mut state = 1_u64;
    let mut next = || {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1);
        (state >> 56) as u8
    };
    (0..length).map(|_| next()).collect()
}

#[test]
fn content_of_every_length_is_read_as_it_was() {
    let mut made = Made::new();
    let lengths = [0, 1, 31, 2047, 2048, 2049, 4095, 4096, 4097, 100_000, 5_000_000];
    for length in lengths {
        made.file(Tree::ROOT, length.to_string().as_bytes(), &noise(length));
    }
    let Some(mounted) = made.mount() else { return };
    for length in lengths {
        assert_eq!(
            fs::read(mounted.path(length.to_string().as_bytes())).unwrap(),
            noise(length)
        );
    }
}

#[test]
fn zeros_take_no_room() {
    let mut made = Made::new();
    let mut bytes = vec![0; 3_000_001];
    bytes[1_500_000..1_510_000].copy_from_slice(&noise(10_000));
    made.file(Tree::ROOT, b"holes", &bytes);
    let content = made.writer.content(&mut std::io::repeat(0), 5 << 30).unwrap();
    made.put(Tree::ROOT, b"nothing", Kind::File(content));
    let Some(mounted) = made.mount() else { return };
    assert_eq!(fs::read(mounted.path(b"holes")).unwrap(), bytes);
    assert_eq!(fs::metadata(mounted.path(b"nothing")).unwrap().len(), 5 << 30);
    let mut first = [1; 9000];
    fs::File::open(mounted.path(b"nothing"))
        .unwrap()
        .read_exact(&mut first)
        .unwrap();
    assert_eq!(first, [0; 9000]);
    let image = fs::metadata(mounted.folder.path().join("image")).unwrap();
    assert!(image.len() < 6 << 20, "{}", image.len());
}

#[test]
fn attributes_and_kinds_are_kept() {
    let mut made = Made::new();
    let device = Device {
        major: 511,
        minor: 0xf_1234,
    };
    made.put(Tree::ROOT, b"character", Kind::Character(device));
    made.put(Tree::ROOT, b"whiteout", Kind::Character(Device { major: 0, minor: 0 }));
    made.put(Tree::ROOT, b"block", Kind::Block(device));
    made.put(Tree::ROOT, b"fifo", Kind::Fifo);
    made.put(Tree::ROOT, b"socket", Kind::Socket);
    for length in [1, 2048, 2049, 4095] {
        made.put(
            Tree::ROOT,
            format!("link-{length}").as_bytes(),
            Kind::Link(vec![b'l'; length]),
        );
    }
    let Some(mounted) = made.mount() else { return };
    let status = |name: &[u8]| fs::symlink_metadata(mounted.path(name)).unwrap();
    let number = ((511_u64 & 0xfff) << 8) | (0x1234_u64 & 0xff) | ((0xf_1234_u64 & !0xff) << 12);
    assert!(status(b"character").file_type().is_char_device() && status(b"character").rdev() == number);
    assert!(status(b"whiteout").file_type().is_char_device() && status(b"whiteout").rdev() == 0);
    assert!(status(b"block").file_type().is_block_device() && status(b"block").rdev() == number);
    assert!(status(b"fifo").file_type().is_fifo());
    assert!(status(b"socket").file_type().is_socket());
    for length in [1, 2048, 2049, 4095] {
        let target = fs::read_link(mounted.path(format!("link-{length}").as_bytes())).unwrap();
        assert_eq!(target.as_os_str().as_bytes(), vec![b'l'; length]);
    }
    let fifo = status(b"fifo");
    assert_eq!(
        (fifo.mode() & 0o7777, fifo.uid(), fifo.gid(), fifo.nlink()),
        (0o755, 70_000, 7, 1)
    );
    assert_eq!((fifo.mtime(), fifo.mtime_nsec()), (-3, 999_999_999));
}

#[test]
fn large_directories_and_deep_ones_have_all_their_names() {
    let mut made = Made::new();
    let large = made.put(Tree::ROOT, b"large", Kind::Directory);
    let names: Vec<Vec<u8>> = (0..5000_usize)
        .map(|number| [format!("{number:-<4}").as_bytes(), &vec![b'n'; number % 250]].concat())
        .chain([vec![0xff; 255], b"!".to_vec(), b"..x".to_vec(), b"\n \t".to_vec()])
        .collect();
    for name in &names {
        made.file(large, name, name);
    }
    let mut deep = Tree::ROOT;
    for _ in 0..200 {
        deep = made.put(deep, b"deep", Kind::Directory);
    }
    made.file(deep, b"end", b"end");
    let Some(mounted) = made.mount() else { return };
    let listed = fs::read_dir(mounted.path(b"large")).unwrap();
    let mut listed: Vec<_> = listed
        .map(|entry| entry.unwrap().file_name().as_bytes().to_vec())
        .collect();
    listed.sort();
    let mut expected = names.clone();
    expected.sort();
    assert_eq!(listed, expected);
    for name in &names {
        assert_eq!(
            &fs::read(mounted.path(b"large").join(std::ffi::OsStr::from_bytes(name))).unwrap(),
            name
        );
    }
    let path = [&b"deep/".repeat(200)[..], b"end"].concat();
    assert_eq!(fs::read(mounted.path(&path)).unwrap(), b"end");
    assert_eq!(fs::metadata(mounted.path(b"deep")).unwrap().nlink(), 3);
    let up = fs::metadata(mounted.path(b"deep/deep/..")).unwrap().ino();
    assert_eq!(up, fs::metadata(mounted.path(b"deep")).unwrap().ino());
}

#[test]
fn names_of_one_inode_are_names_of_one_inode() {
    let mut made = Made::new();
    let first = made.file(Tree::ROOT, b"first", &noise(10_000));
    let folder = made.put(Tree::ROOT, b"folder", Kind::Directory);
    made.writer.tree.link(folder, b"second", first).unwrap();
    made.file(Tree::ROOT, b"replaced", b"old");
    made.file(Tree::ROOT, b"replaced", b"new");
    let Some(mounted) = made.mount() else { return };
    let (first, second) = (mounted.path(b"first"), mounted.path(b"folder/second"));
    let [first, second] = [first, second].map(|path| fs::metadata(path).unwrap());
    assert_eq!((first.ino(), first.nlink()), (second.ino(), 2));
    assert_eq!(fs::read(mounted.path(b"replaced")).unwrap(), b"new");
}

#[test]
fn extended_attributes_are_kept_beside_content_of_every_length() {
    let mut made = Made::new();
    let extended = |number: usize| {
        BTreeMap::from([
            (b"user.word".to_vec(), noise(number * 7)),
            (b"trusted.overlay.opaque".to_vec(), b"y".to_vec()),
            (
                b"security.capability".to_vec(),
                vec![1, 0, 0, 2, 0, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0],
            ),
        ])
    };
    for number in 0..300 {
        let bytes = noise(number * 9);
        let content = made.writer.content(&mut &bytes[..], bytes.len() as u64).unwrap();
        let with = Attributes {
            extended: extended(number),
            ..attributes()
        };
        let put = made
            .writer
            .tree
            .put(Tree::ROOT, number.to_string().as_bytes(), Kind::File(content), with);
        put.unwrap();
    }
    let Some(mounted) = made.mount() else { return };
    for number in 0..300 {
        let path = mounted.path(number.to_string().as_bytes());
        assert_eq!(fs::read(&path).unwrap(), noise(number * 9));
        for (name, value) in extended(number) {
            let name = String::from_utf8(name).unwrap();
            let mut room = vec![0; 4096];
            let length = rustix::fs::getxattr(&path, name.as_str(), &mut room).unwrap();
            assert_eq!(&room[..length], value, "{number} {name}");
        }
    }
}
