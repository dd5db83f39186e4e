//! An image as programs see it. Needs FUSE; says so where it is not.
#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test says by panicking that it failed"
)]

use std::fs::{self, File};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{FileExt, MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

use casemate_erofs::{Attributes, Writer};
use casemate_image::merged::Merged;
use casemate_image::sealed::{Growing, ImageKey, Layer, PIECE, Root, seal};
use casemate_image::unpack::{Limits, unpack};
use casemate_image_fuse::{Mounted, Options};
use rustix::fs::{XattrFlags, getxattr, listxattr, setxattr};
use rustix::io::Errno;
use tempfile::{TempDir, tempfile};

fn key() -> ImageKey {
    ImageKey::new([9; 32])
}

/// Seals what a folder holds, as a layer.
fn sealed(folder: &Path) -> (File, Root) {
    let mut tar = Command::new("tar");
    let packed = tar
        .args(["--create", "--xattrs"])
        .arg("--directory")
        .arg(folder)
        .arg(".")
        .output()
        .unwrap();
    assert!(packed.status.success());
    let growing = Growing::new(tempfile().unwrap(), None, Some(&key())).unwrap();
    let mut writer = Writer::new(growing, tempfile().unwrap(), Attributes::default()).unwrap();
    unpack(&packed.stdout[..], &mut writer, &Limits::default()).unwrap();
    let hashed = writer.finish().unwrap().0.finish().unwrap();
    let mut file = tempfile().unwrap();
    seal(&hashed, &mut file).unwrap();
    file.flush().unwrap();
    (file, hashed.root())
}

struct Serving {
    folder: TempDir,
    heard: Arc<Mutex<Vec<String>>>,
    serving: Option<JoinHandle<()>>,
}

impl Serving {
    /// Mounts layers; `None` where there is no FUSE.
    fn start(layers: Vec<(File, Root)>) -> Option<Self> {
        let folder = TempDir::new().unwrap();
        let opened = layers
            .into_iter()
            .map(|(file, root)| Layer::open(file, root, Some(&key())).unwrap());
        let image = Arc::new(Merged::open(opened.collect()).unwrap());
        let heard = Arc::new(Mutex::new(Vec::new()));
        let told = Arc::clone(&heard);
        let listener = Box::new(move |error: &_| told.lock().unwrap().push(format!("{error}")));
        let options = Options {
            source: "casemate".to_owned(),
            ..Options::default()
        };
        let mounted = match Mounted::new(image, folder.path(), listener, &options) {
            Ok(mounted) => mounted,
            Err(error) => {
                eprintln!("skipped: no FUSE here: {error}");
                return None;
            }
        };
        let serving = Some(thread::spawn(|| mounted.serve().unwrap()));
        Some(Self { folder, heard, serving })
    }

    fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        let path = self.folder.path();
        if rustix::mount::unmount(path, rustix::mount::UnmountFlags::DETACH).is_err() {
            Command::new("fusermount3")
                .args(["-u", "-z"])
                .arg(path)
                .status()
                .unwrap();
        }
        self.serving.take().unwrap().join().unwrap();
    }
}

fn bytes(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at / 3 % 251) as u8).collect()
}

#[test]
fn layers_are_read_as_one_tree() {
    let (below, above) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    fs::create_dir(below.path().join("folder")).unwrap();
    fs::write(below.path().join("folder/large"), bytes(3_000_000)).unwrap();
    fs::write(below.path().join("gone"), b"gone").unwrap();
    fs::write(below.path().join("changed"), b"old").unwrap();
    symlink("folder/large", below.path().join("link")).unwrap();
    fs::create_dir(above.path().join("folder")).unwrap();
    fs::write(above.path().join("folder/small"), b"small").unwrap();
    fs::write(above.path().join("changed"), b"new").unwrap();
    fs::write(above.path().join(".wh.gone"), b"").unwrap();
    let Some(image) = Serving::start(vec![sealed(below.path()), sealed(above.path())]) else {
        return;
    };
    assert!(fs::read(image.path("link")).unwrap() == bytes(3_000_000));
    assert_eq!(fs::read(image.path("changed")).unwrap(), b"new");
    assert_eq!(fs::read(image.path("gone")).unwrap_err().kind(), ErrorKind::NotFound);
    let names = |path: PathBuf| {
        let mut names: Vec<_> = fs::read_dir(path)
            .unwrap()
            .map(|entry| entry.unwrap().file_name())
            .collect();
        names.sort();
        names
    };
    assert_eq!(names(image.path("")), ["changed", "folder", "link"]);
    assert_eq!(names(image.path("folder")), ["large", "small"]);
    let (shown, real) = (image.path("folder/small"), above.path().join("folder/small"));
    let [shown, real] = [shown, real].map(|path| fs::metadata(path).unwrap());
    assert_eq!(
        (shown.mode(), shown.uid(), shown.len()),
        (real.mode(), real.uid(), real.len())
    );
    assert_eq!(shown.mtime(), real.mtime());
    assert!(fs::write(image.path("folder/small"), b"other").is_err());
    assert!(image.heard.lock().unwrap().is_empty());
}

#[test]
fn a_directory_of_many_names_is_listed_once_each() {
    let folder = TempDir::new().unwrap();
    for number in 0..3000 {
        fs::write(
            folder.path().join(format!("a name of some length, number {number}")),
            b"",
        )
        .unwrap();
    }
    let Some(image) = Serving::start(vec![sealed(folder.path())]) else {
        return;
    };
    let mut names: Vec<_> = fs::read_dir(image.path(""))
        .unwrap()
        .map(|entry| entry.unwrap().file_name())
        .collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 3000);
}

#[test]
fn what_a_listing_told_of_its_names_is_what_each_is() {
    let (below, above) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for number in 0..300 {
        fs::write(below.path().join(format!("f{number}")), bytes(number)).unwrap();
        fs::create_dir(below.path().join(format!("d{number}"))).unwrap();
        fs::write(below.path().join(format!("d{number}/below")), b"").unwrap();
    }
    fs::create_dir(above.path().join("d7")).unwrap();
    fs::write(above.path().join("d7/above"), b"").unwrap();
    fs::write(above.path().join("f7"), b"instead").unwrap();
    let Some(image) = Serving::start(vec![sealed(below.path()), sealed(above.path())]) else {
        return;
    };
    let entries = fs::read_dir(image.path("")).unwrap();
    let entries: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    assert_eq!(entries.len(), 600);
    for path in entries {
        let name = path.file_name().unwrap().to_str().unwrap().to_owned();
        match (name.split_at(1), fs::metadata(&path).unwrap()) {
            (("d", _), shown) => assert!(shown.is_dir() && path.join("below").exists(), "{name}"),
            (("f", "7"), shown) => assert_eq!(shown.len(), 7),
            ((_, number), shown) => assert_eq!(shown.len(), number.parse::<u64>().unwrap()),
        }
    }
    assert_eq!(fs::read(image.path("f7")).unwrap(), b"instead");
    assert!(image.path("d7/above").exists());
}

#[test]
fn extended_attributes_are_shown_and_where_there_are_none_nobody_is_asked() {
    let (with, without) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    for folder in [&with, &without] {
        fs::write(folder.path().join("f"), b"").unwrap();
    }
    if let Err(error) = setxattr(with.path().join("f"), "user.a", b"value", XattrFlags::empty()) {
        eprintln!("skipped: no extended attributes here: {error}");
        return;
    }
    let Some(image) = Serving::start(vec![sealed(without.path()), sealed(with.path())]) else {
        return;
    };
    let mut room = [0; 16];
    assert_eq!(getxattr(image.path("f"), "user.a", &mut room), Ok(5));
    assert_eq!(getxattr(image.path("f"), "user.b", &mut room), Err(Errno::NODATA));
    assert_eq!(&room[..5], b"value");
    let image = Serving::start(vec![sealed(without.path())]).unwrap();
    assert_eq!(getxattr(image.path("f"), "user.a", &mut room), Err(Errno::OPNOTSUPP));
    assert_eq!(listxattr(image.path("f"), &mut room), Ok(0));
}

#[test]
fn what_the_host_changes_is_refused_with_the_reason_and_the_rest_goes_on() {
    let folder = TempDir::new().unwrap();
    fs::write(folder.path().join("a"), bytes(10 * PIECE)).unwrap();
    fs::write(folder.path().join("b"), bytes(10 * PIECE)).unwrap();
    let (file, root) = sealed(folder.path());
    let host = file.try_clone().unwrap();
    let Some(image) = Serving::start(vec![(file, root)]) else {
        return;
    };
    let at = 4096 + 5 * (PIECE as u64 + 16) + 77;
    let mut byte = [0];
    host.read_exact_at(&mut byte, at).unwrap();
    host.write_all_at(&[byte[0] ^ 1], at).unwrap();
    let read = |name: &str| fs::read(image.path(name)).map(|read| read == bytes(10 * PIECE));
    let outcomes = [read("a"), read("b")];
    assert_eq!(
        outcomes.iter().filter(|outcome| matches!(outcome, Ok(true))).count(),
        1,
        "{outcomes:?}"
    );
    assert!(!outcomes.iter().any(|outcome| matches!(outcome, Ok(false))));
    let heard = image.heard.lock().unwrap();
    assert!(
        heard.iter().all(|reason| reason.contains("piece 5")) && !heard.is_empty(),
        "{heard:?}"
    );
}
