//! A volume and its copy, each with its own key and anchor.

use std::collections::BTreeMap;
use std::io;
use std::ops::ControlFlow;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use casemate_volume::anchor::{Memory, Record};
use casemate_volume::{
    Attributes, Changes, Copied, CopyOf, Environment, Error, Form, Freshness, Host, New, ROOT, Seek, Time, Volume,
    VolumeKey,
};

use super::between::{Asked, Between, between};
use super::disk::Disk;
use super::{KEY, Machine, SMALL};

const OTHER_KEY: [u8; 32] = [8; 32];

/// A plain file.
pub const FILE: New = New {
    mode: 0o100_644,
    uid: 1,
    gid: 2,
    device: 0,
};

/// Writes into a file of the root directory, which is made if there is none.
pub fn put(volume: &mut Volume, name: &[u8], at: u64, bytes: &[u8]) -> u64 {
    let file = match volume.lookup(ROOT, name) {
        Ok(found) => found.inode,
        Err(_) => volume.create_file(ROOT, name, FILE).unwrap().inode,
    };
    volume.write(file, at, bytes).unwrap();
    file
}

/// Of a snapshot, since another.
pub fn of<'n>(snapshot: &'n str, since: Option<&'n str>) -> CopyOf<'n> {
    CopyOf {
        snapshot: Some(snapshot.as_bytes()),
        since: since.map(str::as_bytes),
    }
}

/// A source with two snapshots, and a copy of the first.
pub fn copied() -> Pair {
    let mut pair = Pair::new(&SMALL, &SMALL);
    let mut source = pair.source.mount(Freshness::Strict).unwrap();
    put(&mut source, b"f", 0, &[1; 100_000]);
    source.create_snapshot(b"one").unwrap();
    put(&mut source, b"f", 0, &[2; 50_000]);
    source.create_snapshot(b"two").unwrap();
    drop(source);
    pair.copy(of("one", None)).unwrap();
    pair
}

/// Something of each kind that a volume holds.
pub fn of_all_kinds(volume: &mut Volume) {
    let directory = volume.mkdir(ROOT, b"d", FILE).unwrap().inode;
    let empty = volume.mkdir(directory, "späße".as_bytes(), FILE).unwrap().inode;
    volume.set_attribute(empty, b"user.a", &[7; 4096], None).unwrap();
    volume.symlink(directory, b"l", &[b'x'; 4095], FILE).unwrap();
    for (name, mode) in [
        (b"p", 0o010_600),
        (b"c", 0o020_640),
        (b"b", 0o060_660),
        (b"s", 0o140_755),
    ] {
        let device = 0x0102_0304_0506;
        volume.create_file(ROOT, name, New { mode, device, ..FILE }).unwrap();
    }
    put(volume, b"inline", 0, &[1; 2048]);
    let sparse = put(volume, b"sparse", 1 << 30, b"after a hole");
    volume.truncate(sparse, (1 << 31) + 17).unwrap();
    let large = put(
        volume,
        b"large",
        0,
        &(0..400_000u32).map(|byte| byte as u8).collect::<Vec<_>>(),
    );
    volume.link(large, directory, b"second").unwrap();
    volume.fsync(large).unwrap();
    put(volume, b"large", 70_000, &[9; 5000]);
    let times = Time {
        seconds: -5,
        nanoseconds: 999_999_999,
    };
    let changes = Changes {
        mode: Some(0o6711),
        uid: Some(u32::MAX - 1),
        accessed: Some(times),
        modified: Some(times),
        ..Changes::default()
    };
    volume.set_attributes(large, &changes).unwrap();
    // Open, without a name: no part of what is copied.
    let orphan = put(volume, b"orphan", 0, &[3; 30_000]);
    volume.set_attribute(orphan, b"user.gone", b"1", None).unwrap();
    volume.unlink(ROOT, b"orphan").unwrap();
}

/// Source and target.
pub struct Pair {
    pub source: Machine,
    pub target: Machine,
    form: Form,
    /// What the target's identity follows from.
    seed: u64,
}

impl Pair {
    pub fn new(source: &Form, target: &Form) -> Self {
        let mut pair = Self {
            source: Machine::new(),
            target: Machine::new(),
            form: *target,
            seed: 0,
        };
        pair.source.create(source).unwrap();
        pair.new_target();
        pair
    }

    pub fn new_target(&mut self) {
        self.new_target_of(&self.form.clone());
    }

    pub fn new_target_of(&mut self, form: &Form) {
        self.seed += 1000;
        self.target = Machine {
            seed: self.seed,
            key: OTHER_KEY,
            ..Machine::new()
        };
        self.target.create(form).unwrap();
    }

    /// The same target on a disk that a crash left.
    pub fn crashed(&mut self, disk: Disk, record: Record) {
        (self.target.disk, self.target.anchor) = (disk, Memory::new(record));
    }

    pub fn mount(&mut self) -> Volume {
        self.target.mount(Freshness::Strict).unwrap()
    }

    pub fn read(&self) -> Volume {
        self.target.mount_for_reading(Freshness::Strict).unwrap()
    }

    pub fn copy(&mut self, what: CopyOf<'_>) -> Result<Copied, Error> {
        self.copy_until(what, u64::MAX)
    }

    /// A copy that is stopped after so many bytes.
    pub fn copy_until(&mut self, what: CopyOf<'_>, most: u64) -> Result<Copied, Error> {
        let mut source = self.source.mount_for_reading(Freshness::Strict)?;
        self.copy_from(&mut source, what, most)
    }

    fn copy_from(&mut self, source: &mut Volume, what: CopyOf<'_>, most: u64) -> Result<Copied, Error> {
        let mut target = self.target.mount_for_copy()?;
        target.copy(source, what, &mut |done, total| {
            assert!(done <= total);
            if done < most {
                ControlFlow::Continue(())
            } else {
                ControlFlow::Break(())
            }
        })
    }

    /// The source, read through another host.
    pub fn source_on(&self, host: Box<dyn Host>) -> Volume {
        let environment = Environment {
            host,
            ..self.source.environment()
        };
        Volume::mount_for_reading(environment, VolumeKey::new(KEY), Freshness::Strict).unwrap()
    }

    /// The target, written through another environment.
    pub fn target_in(&mut self, other: impl FnOnce(&Machine) -> Environment) -> Volume {
        self.target.seed += 1;
        let key = VolumeKey::new(self.target.key);
        Volume::mount_for_copy(other(&self.target), key, Freshness::Strict).unwrap()
    }

    /// How many blocks of the source were read, once it was mounted.
    pub fn copy_counting(&mut self, what: CopyOf<'_>) -> (Copied, u64) {
        let blocks = Arc::new(AtomicU64::new(0));
        let host = Counting {
            disk: self.source.disk.clone(),
            blocks: Arc::clone(&blocks),
        };
        let mut source = self.source_on(Box::new(host));
        let before = blocks.load(Ordering::SeqCst);
        let copied = self.copy_from(&mut source, what, u64::MAX).unwrap();
        (copied, blocks.load(Ordering::SeqCst) - before)
    }

    /// The target's newest state and its snapshot are what the source's snapshot is.
    pub fn is_same(&mut self, name: &[u8]) {
        let mut expected = self.source.mount_for_reading(Freshness::Strict).unwrap();
        expected.show_snapshot(name).unwrap();
        let expected = everything(&mut expected);
        let mut target = self.read();
        sound(&mut target);
        assert_eq!(everything(&mut target), expected);
        target.show_snapshot(name).unwrap();
        assert_eq!(everything(&mut target), expected);
        let mut target = self.mount();
        sound(&mut target);
        assert_eq!(target.endangered().unwrap(), Vec::<u64>::new());
    }
}

/// A disk that counts what is read of it.
struct Counting {
    disk: Disk,
    blocks: Arc<AtomicU64>,
}

impl Between for Counting {
    fn disk(&self) -> &Disk {
        &self.disk
    }

    fn before(&self, asked: Asked) -> io::Result<()> {
        if let Asked::Read(length) = asked {
            self.blocks.fetch_add(length as u64 / 4096, Ordering::SeqCst);
        }
        Ok(())
    }
}

between!(Counting);

pub fn sound(volume: &mut Volume) {
    assert_eq!(volume.check().unwrap().findings.kept, []);
    volume.verify().unwrap();
}

/// All that can be known of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Known {
    pub attributes: Attributes,
    extended: BTreeMap<Vec<u8>, Vec<u8>>,
    target: Vec<u8>,
    /// Data of a file by where it lies; what is not here is a hole.
    data: BTreeMap<u64, Vec<u8>>,
}

/// All paths.
pub fn everything(volume: &mut Volume) -> BTreeMap<Vec<u8>, Known> {
    let mut found = BTreeMap::new();
    visit(volume, ROOT, Vec::new(), &mut found);
    found
}

fn visit(volume: &mut Volume, inode: u64, path: Vec<u8>, found: &mut BTreeMap<Vec<u8>, Known>) {
    let attributes = volume.attributes(inode).unwrap();
    let names = volume.attribute_names(inode).unwrap();
    let extended = names.into_iter().map(|name| {
        let value = volume.attribute(inode, &name).unwrap();
        (name, value)
    });
    let extended = extended.collect();
    let kind = attributes.mode & 0o170_000;
    if kind == 0o040_000 {
        for entry in volume.readdir(inode, 0, usize::MAX).unwrap() {
            let below = [path.as_slice(), b"/", &entry.name].concat();
            visit(volume, entry.inode, below, found);
        }
    }
    let known = Known {
        attributes,
        extended,
        target: if kind == 0o120_000 {
            volume.readlink(inode).unwrap()
        } else {
            Vec::new()
        },
        data: if kind == 0o100_000 {
            data(volume, inode)
        } else {
            BTreeMap::new()
        },
    };
    found.insert(path, known);
}

fn data(volume: &mut Volume, inode: u64) -> BTreeMap<u64, Vec<u8>> {
    let (mut data, mut at) = (BTreeMap::new(), 0);
    while let Ok(from) = volume.seek(inode, at, Seek::Data) {
        at = volume.seek(inode, from, Seek::Hole).unwrap();
        let mut bytes = vec![0; (at - from) as usize];
        volume.read(inode, from, &mut bytes).unwrap();
        data.insert(from, bytes);
    }
    data
}
