//! Archives become file systems, or are refused. What came out is read by Linux, where the test may mount it.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::fs::{self, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::PathBuf;
use std::process::Command;

use casemate_erofs::{Attributes, BLOCK, Out, Writer};
use casemate_image::unpack::{Error, Limits, Reason, Taken, unpack};
use tar::{Builder, EntryType, Header};
use tempfile::{TempDir, tempfile};

/// An archive under way.
struct Packing(Builder<Vec<u8>>);

impl Packing {
    fn new() -> Self {
        Self(Builder::new(Vec::new()))
    }

    fn header(kind: EntryType, size: u64) -> Header {
        let mut header = Header::new_ustar();
        header.set_entry_type(kind);
        header.set_size(size);
        header.set_mode(0o644);
        header.set_uid(3);
        header.set_gid(4);
        header.set_mtime(1_000_000_000);
        header
    }

    /// An entry whose path is written as it is, whatever it is.
    fn raw(mut self, kind: EntryType, path: &[u8], bytes: &[u8], change: impl FnOnce(&mut Header)) -> Self {
        let mut header = Self::header(kind, bytes.len() as u64);
        header.as_mut_bytes()[..path.len()].copy_from_slice(path);
        change(&mut header);
        header.set_cksum();
        self.0.append(&header, bytes).unwrap();
        self
    }

    fn file(self, path: &str, bytes: &[u8]) -> Self {
        self.raw(EntryType::Regular, path.as_bytes(), bytes, |_| ())
    }

    fn directory(self, path: &str) -> Self {
        self.raw(EntryType::Directory, path.as_bytes(), b"", |header| {
            header.set_mode(0o700)
        })
    }

    fn link(self, kind: EntryType, path: &str, target: &str) -> Self {
        self.raw(kind, path.as_bytes(), b"", |header| {
            header.set_link_name_literal(target).unwrap()
        })
    }

    fn said(mut self, keywords: &[(&str, &[u8])]) -> Self {
        self.0.append_pax_extensions(keywords.iter().copied()).unwrap();
        self
    }

    fn bytes(self) -> Vec<u8> {
        self.0.into_inner().unwrap()
    }

    fn take(self) -> Result<Image, Error> {
        take(&self.bytes()[..], &Limits::default())
    }

    fn refused(self) -> Reason {
        match self.take().map(drop) {
            Err(Error::Entry { reason, .. }) => reason,
            other => panic!("{other:?}"),
        }
    }
}

struct Image {
    folder: TempDir,
    taken: Taken,
}

fn take(archive: impl Read + Send, limits: &Limits) -> Result<Image, Error> {
    let folder = TempDir::new().unwrap();
    let out = File::create(folder.path().join("image")).unwrap();
    let mut writer = Writer::new(out, tempfile().unwrap(), Attributes::default()).unwrap();
    let taken = unpack(archive, &mut writer, limits)?;
    writer.finish().unwrap();
    Ok(Image { folder, taken })
}

impl Image {
    /// Mounts it; says that it does not where only root may.
    fn look(self, look: impl FnOnce(PathBuf)) {
        let root = self.folder.path().join("root");
        fs::create_dir(&root).unwrap();
        let mut mount = Command::new("mount");
        mount
            .args(["-t", "erofs", "-o", "ro,loop"])
            .arg(self.folder.path().join("image"));
        if !mount.arg(&root).status().unwrap().success() {
            eprintln!("not looked at: only root mounts EROFS");
            return;
        }
        let mounted = Unmounts(root.clone());
        look(root);
        drop(mounted);
    }
}

struct Unmounts(PathBuf);

impl Drop for Unmounts {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg(&self.0).status();
    }
}

fn is_mark(path: PathBuf) -> bool {
    let status = fs::symlink_metadata(path).unwrap();
    status.file_type().is_char_device() && status.rdev() == 0
}

fn is_opaque(path: PathBuf) -> bool {
    let mut room = [0; 8];
    let found = rustix::fs::getxattr(&path, "trusted.overlay.opaque", &mut room[..]);
    found.is_ok_and(|length| room[..length] == *b"y")
}

#[test]
fn entries_are_there_with_what_they_said() {
    let packing = Packing::new()
        .directory("./")
        .directory("folder/")
        .file("folder/file", b"content")
        .file("missing/parents/are/made", b"")
        .link(EntryType::Symlink, "link", "/anywhere/../at/all")
        .link(EntryType::Link, "hard", "./folder/file")
        .raw(EntryType::Fifo, b"fifo", b"", |_| ())
        .raw(EntryType::Char, b"device", b"", |header| {
            header.set_device_major(1).unwrap();
            header.set_device_minor(3).unwrap();
        });
    packing.take().unwrap().look(|root| {
        let status = |name: &str| fs::symlink_metadata(root.join(name)).unwrap();
        assert_eq!(fs::read(root.join("folder/file")).unwrap(), b"content");
        assert_eq!(
            (status("folder").mode() & 0o7777, status("").mode() & 0o7777),
            (0o700, 0o700)
        );
        assert_eq!(
            (status("hard").ino(), status("hard").nlink()),
            (status("folder/file").ino(), 2)
        );
        assert_eq!(
            (status("hard").uid(), status("hard").gid(), status("hard").mtime()),
            (3, 4, 1_000_000_000)
        );
        assert_eq!(
            fs::read_link(root.join("link")).unwrap().to_str(),
            Some("/anywhere/../at/all")
        );
        assert_eq!(status("device").rdev(), 1 << 8 | 3);
        assert!(status("fifo").file_type().is_fifo());
        assert_eq!(
            (
                status("missing/parents").mode() & 0o7777,
                status("missing/parents").uid()
            ),
            (0o755, 0)
        );
    });
}

#[test]
fn a_later_entry_takes_the_place_of_an_earlier_one() {
    let packing = Packing::new()
        .file("file", b"old")
        .file("file", b"new")
        .directory("folder")
        .file("folder/kept", b"")
        .raw(EntryType::Directory, b"folder", b"", |header| header.set_mode(0o500))
        .file("becomes", b"")
        .directory("becomes");
    packing.take().unwrap().look(|root| {
        assert_eq!(fs::read(root.join("file")).unwrap(), b"new");
        assert!(root.join("folder/kept").exists() && root.join("becomes").is_dir());
        assert_eq!(fs::metadata(root.join("folder")).unwrap().mode() & 0o7777, 0o500);
    });
}

#[test]
fn extended_headers_say_what_headers_have_no_room_for() {
    let long = format!("{}/end", ["d"; 900].join("/"));
    let keywords: [(&str, &[u8]); 7] = [
        ("path", long.as_bytes()),
        ("uid", b"4000000000"),
        ("mtime", b"-1.25"),
        ("SCHILY.xattr.user.word", b"value\n=\0"),
        ("SCHILY.xattr.security.capability", &[1; 20]),
        ("comment", b"nobody reads this\n15 path=../out\n"),
        ("gid", b"5"),
    ];
    let packing = Packing::new().said(&keywords).file("short", b"content");
    packing.take().unwrap().look(|root| {
        let status = fs::metadata(root.join(&long)).unwrap();
        assert_eq!((status.uid(), status.gid(), status.len()), (4_000_000_000, 5, 7));
        assert_eq!((status.mtime(), status.mtime_nsec()), (-2, 750_000_000));
        let mut room = [0; 100];
        let length = rustix::fs::getxattr(root.join(&long), "user.word", &mut room[..]).unwrap();
        assert_eq!(&room[..length], b"value\n=\0");
    });
}

#[test]
fn what_is_taken_away_from_below_never_takes_away_what_the_layer_has() {
    let packing = Packing::new()
        .file("folder/.wh.gone", b"")
        .file("folder/.wh..wh.plnk", b"")
        .file("opaque/.wh..wh..opq", b"")
        .file("opaque/stays", b"")
        .directory("opaque")
        .file("before", b"kept")
        .file(".wh.before", b"")
        .file(".wh.after", b"")
        .file("after", b"kept")
        .file(".wh.both", b"")
        .file("both/inside", b"")
        .directory("first")
        .file(".wh.first", b"");
    packing.take().unwrap().look(|root| {
        assert!(is_mark(root.join("folder/gone")) && !is_opaque(root.join("folder")));
        assert_eq!(fs::read_dir(root.join("folder")).unwrap().count(), 1);
        assert!(is_opaque(root.join("opaque")) && root.join("opaque/stays").exists());
        assert_eq!(fs::read(root.join("before")).unwrap(), b"kept");
        assert_eq!(fs::read(root.join("after")).unwrap(), b"kept");
        assert!(root.join("both/inside").exists() && is_opaque(root.join("both")));
        assert!(is_opaque(root.join("first")));
    });
}

#[test]
fn sparse_files_stay_sparse() {
    let mut map = b"2\n8192\n5\n2097152\n4\n".to_vec();
    map.resize(512, 0);
    let data = [&map[..], b"firstlast"].concat();
    let keywords: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"holes"),
        ("GNU.sparse.realsize", b"4000000"),
    ];
    let image = Packing::new()
        .said(&keywords)
        .file("GNUSparseFile.0/holes", &data)
        .take()
        .unwrap();
    assert!(fs::metadata(image.folder.path().join("image")).unwrap().len() < 100_000);
    image.look(|root| {
        let mut expected = vec![0; 4_000_000];
        expected[8192..8197].copy_from_slice(b"first");
        expected[2_097_152..2_097_156].copy_from_slice(b"last");
        assert!(fs::read(root.join("holes")).unwrap() == expected);
    });
}

#[test]
fn compressed_archives_are_taken() {
    let bytes = Packing::new().file("file", &vec![7; 100_000]).bytes();
    let mut gzip = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
    gzip.write_all(&bytes).unwrap();
    let zstd = ruzstd::encoding::compress_to_vec(&bytes[..], ruzstd::encoding::CompressionLevel::Fastest);
    for archive in [bytes, gzip.finish().unwrap(), zstd] {
        assert_eq!(take(&archive[..], &Limits::default()).unwrap().taken.bytes, 100_000);
        let cut = take(&archive[..archive.len() / 2], &Limits::default());
        assert!(matches!(cut, Err(Error::Archive(_))));
    }
}

#[test]
fn paths_out_of_the_tree_are_refused() {
    for path in ["../file", "folder/../../file", "..", "folder/.."] {
        assert!(
            matches!(Packing::new().file(path, b"").refused(), Reason::Escapes),
            "{path}"
        );
    }
    let absolute = Packing::new().file("/file", b"content").take().unwrap();
    absolute.look(|root| assert!(root.join("file").exists()));
}

#[test]
fn paths_through_links_are_refused() {
    let through = |packing: Packing| packing.file("there/file", b"").refused();
    let link = Packing::new().link(EntryType::Symlink, "there", "/etc");
    assert!(matches!(through(link), Reason::Through(_)));
    assert!(matches!(through(Packing::new().file("there", b"")), Reason::Through(_)));
}

#[test]
fn hard_links_out_of_the_layer_are_refused() {
    let to = |target: &str| {
        Packing::new()
            .file(".wh.gone", b"")
            .link(EntryType::Link, "link", target)
            .refused()
    };
    for target in ["/etc/shadow", "missing", "gone"] {
        assert!(matches!(to(target), Reason::NoTarget(_)), "{target}");
    }
    assert!(matches!(to("../up"), Reason::Escapes));
    assert!(matches!(to("."), Reason::Tree(_)));
}

#[test]
fn archives_that_speak_to_the_layering_are_refused() {
    for name in [
        "trusted.overlay.redirect",
        "trusted.overlay.opaque",
        "user.overlay.metacopy",
    ] {
        let keyword = format!("SCHILY.xattr.{name}");
        let packing = Packing::new().said(&[(&keyword, b"y")]).directory("folder");
        assert!(matches!(packing.refused(), Reason::Overlay(_)), "{name}");
    }
    for path in [".wh.", "folder/.wh."] {
        assert!(matches!(Packing::new().file(path, b"").refused(), Reason::Whiteout));
    }
    assert!(matches!(Packing::new().file(".wh...", b"").refused(), Reason::Tree(_)));
}

#[test]
fn what_is_said_twice_or_is_no_number_is_refused() {
    let said = |keywords: &[(&str, &[u8])]| Packing::new().said(keywords).file("file", b"").refused();
    assert!(matches!(said(&[("path", b"one"), ("path", b"two")]), Reason::Twice(_)));
    assert!(matches!(said(&[("uid", b"4294967296")]), Reason::Number("uid")));
    for time in ["", "1.x", "one", "1.-5"] {
        assert!(
            matches!(said(&[("mtime", time.as_bytes())]), Reason::Number("mtime")),
            "{time}"
        );
    }
    let twice = Packing::new().raw(EntryType::GNULongName, b"././@LongLink", b"one\0", |_| ());
    assert!(matches!(
        twice.said(&[("path", b"two")]).file("file", b"").refused(),
        Reason::Twice(_)
    ));
    let large = Packing::new().raw(EntryType::Char, b"device", b"", |header| {
        header.set_device_major(1 << 12).unwrap();
    });
    assert!(matches!(large.refused(), Reason::Number("device")));
}

#[test]
fn unknown_kinds_are_refused() {
    let volume = Packing::new().raw(EntryType::new(b'V'), b"label", b"", |_| ());
    assert!(matches!(volume.refused(), Reason::Unknown(_)));
    let old = Packing::new().said(&[("GNU.sparse.map", b"0,1")]).file("file", b"x");
    assert!(matches!(old.refused(), Reason::Unknown(_)));
}

#[test]
fn bombs_are_refused_at_the_limit() {
    let limits = Limits {
        bytes: 1000,
        entries: 3,
        attributes: 100,
    };
    let outcome = |packing: Packing| take(&packing.bytes()[..], &limits).map(|image| image.taken);
    let three = || Packing::new().file("a", &[1; 500]).file("b", &[1; 500]).file("c", b"");
    assert!(outcome(three()).is_ok());
    assert!(matches!(
        outcome(three().file("d", b"")),
        Err(Error::Limit { what: "entries", .. })
    ));
    let bytes = Packing::new().file("a", &[1; 500]).file("b", &[1; 501]);
    assert!(matches!(outcome(bytes), Err(Error::Limit { what: "bytes", .. })));
    assert!(matches!(
        outcome(Packing::new().file("a/b/c/d", b"")),
        Err(Error::Limit { what: "entries", .. })
    ));
    let attribute = Packing::new()
        .said(&[("SCHILY.xattr.user.a", &[1; 100])])
        .file("a", b"");
    assert!(matches!(outcome(attribute), Err(Error::Limit { .. })));
    let mut behind = three().bytes();
    behind.resize(behind.len() + 488, 0);
    assert!(
        take(&behind[..], &limits).is_ok(),
        "with the second block of zeros, as many as the limit"
    );
    behind.push(0);
    assert!(matches!(take(&behind[..], &limits), Err(Error::Limit { .. })));
}

#[test]
fn a_size_that_is_only_promised_is_refused_before_it_is_made() {
    let mut map = b"1\n0\n1\n".to_vec();
    map.resize(512, 0);
    map.push(1);
    let keywords: [(&str, &[u8]); 4] = [
        ("GNU.sparse.major", b"1"),
        ("GNU.sparse.minor", b"0"),
        ("GNU.sparse.name", b"huge"),
        ("GNU.sparse.realsize", b"9223372036854775807"),
    ];
    let outcome = Packing::new().said(&keywords).file("file", &map).take().map(drop);
    assert!(matches!(outcome, Err(Error::Limit { what: "bytes", .. })));
    let deep = ["d"; 5000].join("/");
    let deep = Packing::new().said(&[("path", deep.as_bytes())]).file("file", b"");
    assert!(matches!(deep.refused(), Reason::Deep));
}

#[test]
fn headers_that_fill_the_memory_are_refused() {
    let name = vec![b'n'; 3 << 20];
    let long = Packing::new()
        .raw(EntryType::GNULongName, b"././@LongLink", &name, |_| ())
        .file("file", b"");
    let outcome = long.take().map(drop);
    assert!(matches!(outcome, Err(Error::Archive(_))), "{outcome:?}");
}

#[test]
fn archives_that_are_none_are_refused() {
    for bytes in [
        &b"this is no archive, whatever it is called: it has no header in it"[..],
        &[1; 4096],
    ] {
        assert!(matches!(
            take(bytes, &Limits::default()).map(drop),
            Err(Error::Archive(_))
        ));
    }
    let packing = Packing::new().file("file", &[1; 512]);
    let bytes = packing.bytes();
    assert!(
        take(&bytes[..1024], &Limits::default()).is_ok(),
        "some engines leave out what says the end"
    );
    let mut changed = bytes.clone();
    changed[3] ^= 1;
    assert!(matches!(
        take(&changed[..], &Limits::default()).map(drop),
        Err(Error::Archive(_))
    ));
    let cut = Packing::new().file("file", &[1; 5000]).bytes();
    assert!(matches!(
        take(&cut[..3000], &Limits::default()).map(drop),
        Err(Error::Archive(_))
    ));
}

/// Takes the first block, and nothing more.
struct Full(bool);

impl Write for Full {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        if std::mem::replace(&mut self.0, true) {
            return Err(io::ErrorKind::StorageFull.into());
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Out for Full {
    fn first_block(&mut self, _block: &[u8; BLOCK]) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn a_full_disk_is_not_the_archives_fault() {
    let archive = Packing::new().file("file", &[1; 5000]).bytes();
    let mut writer = Writer::new(Full(false), tempfile().unwrap(), Attributes::default()).unwrap();
    let outcome = unpack(&archive[..], &mut writer, &Limits::default());
    assert!(matches!(outcome, Err(Error::Write(_))), "{outcome:?}");
}
