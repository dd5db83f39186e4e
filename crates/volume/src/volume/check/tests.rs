//! Each thing that a check holds against another, made wrong by a holder of the key.

use crate::anchor::Memory;
use crate::environment::{SystemClock, SystemRandom};
use crate::format::Roots;
use crate::format::group::Change;
use crate::format::inode::Inode;
use crate::format::key::{Key, Kind};
use crate::format::snapshot;
use crate::host::Folder;
use crate::volume::{Environment, Form, Freshness, New, ROOT, Volume};
use crate::{Error, VolumeKey};

const FILE: New = New {
    mode: 0o100_644,
    uid: 0,
    gid: 0,
    device: 0,
};

/// A volume with a directory, a file of two extents in it, and an attribute.
struct Sound {
    volume: Volume,
    directory: u64,
    file: u64,
    _folder: tempfile::TempDir,
}

fn sound() -> Sound {
    let folder = tempfile::tempdir().unwrap();
    let anchor = Memory::default();
    let environment = || Environment {
        host: Box::new(Folder::write(folder.path()).unwrap()),
        anchor: Box::new(anchor.clone()),
        random: Box::new(SystemRandom),
        clock: Box::new(SystemClock),
    };
    let key = VolumeKey::new([3; 32]);
    Volume::create(environment(), key.clone(), &Form::new(Roots::Tag, 4 << 20)).unwrap();
    let mut volume = Volume::mount(environment(), key, Freshness::Strict).unwrap();
    let directory = volume.mkdir(ROOT, b"directory", FILE).unwrap().inode;
    let file = volume.create_file(directory, b"file", FILE).unwrap().inode;
    volume.write(file, 0, &[5; 200_000]).unwrap();
    volume.sync().unwrap();
    volume.write(file, 5 * 4096, &[6; 4096]).unwrap();
    volume.set_attribute(file, b"user.note", b"text", None).unwrap();
    volume.sync().unwrap();
    assert_eq!(volume.check().unwrap().findings.count, 0);
    Sound {
        volume,
        directory,
        file,
        _folder: folder,
    }
}

impl Sound {
    fn inode(&mut self, number: u64, change: impl FnOnce(&mut Inode)) {
        let mut value = self.volume.stored_inode(number).unwrap();
        change(&mut value);
        self.volume.set_inode(number, &value).unwrap();
    }

    /// Entries of a kind.
    fn entries(&mut self, kind: Kind, inode: u64) -> Vec<(Key, Vec<u8>)> {
        let (mut found, mut from) = (Vec::new(), Key::new(kind, inode, 0));
        let volume = &mut self.volume;
        while let Some((key, value)) = volume.tree.next(&mut volume.store, from).unwrap() {
            if (key.kind, key.inode) != (kind, inode) {
                break;
            }
            from = Key::new(kind, inode, key.offset + 1);
            found.push((key, value));
        }
        found
    }

    fn put(&mut self, key: Key, value: Vec<u8>) {
        let (tree, mut context) = self.volume.edit();
        tree.put(&mut context, key, value).unwrap();
    }

    /// The check says so, and a verification refuses.
    fn says(mut self, what: &str) {
        let findings = self.volume.check().unwrap().findings;
        assert!(findings.kept.iter().any(|finding| finding.what == what), "{findings:?}");
        assert_eq!(findings.count, findings.kept.len() as u64);
        assert!(matches!(self.volume.verify(), Err(Error::Tampered { .. })));
    }
}

#[test]
fn links_are_counted() {
    let mut sound = sound();
    sound.inode(sound.file, |inode| inode.links = 2);
    sound.says("an inode has not as many links as names");
    let mut sound = self::sound();
    sound.inode(ROOT, |inode| inode.links = 2);
    sound.says("an inode has not as many links as names");
}

#[test]
fn a_name_leads_to_an_inode_of_its_type() {
    let mut sound = sound();
    let file = Key::new(Kind::Inode, sound.file, 0);
    sound.volume.change(Change::Remove(file)).unwrap();
    sound.says("a name leads to nothing of its type");
}

#[test]
fn a_name_is_at_its_hash() {
    for kind in [Kind::Entry, Kind::Attribute] {
        let mut sound = sound();
        let inode = if kind == Kind::Entry {
            sound.directory
        } else {
            sound.file
        };
        let (key, value) = sound.entries(kind, inode).remove(0);
        sound.volume.change(Change::Remove(key)).unwrap();
        sound.put(Key::new(kind, inode, key.offset ^ 1), value);
        sound.says("a name is not where it belongs");
    }
}

#[test]
fn a_directory_is_where_its_parent_says() {
    let mut sound = sound();
    let directory = sound.directory;
    sound.inode(directory, |inode| inode.parent = directory);
    sound.says("a directory has another parent than where it is");
}

#[test]
fn every_directory_hangs_on_the_root() {
    let mut sound = sound();
    let (root, directory) = (sound.entries(Kind::Entry, ROOT).remove(0), sound.directory);
    sound.volume.change(Change::Remove(root.0)).unwrap();
    sound.inode(directory, |inode| inode.parent = directory);
    sound.says("a directory does not hang on the root");
}

#[test]
fn what_has_no_name_is_an_orphan() {
    let mut sound = sound();
    sound.volume.unlink(sound.directory, b"file").unwrap();
    assert_eq!(sound.volume.check().unwrap().findings.count, 0);
    let orphan = Key::new(Kind::Orphan, 0, sound.file);
    sound.volume.change(Change::Remove(orphan)).unwrap();
    sound.says("what has no name is not among the orphans, or the reverse");
}

#[test]
fn data_and_attributes_are_of_a_file() {
    let mut sound = sound();
    let (key, value) = sound.entries(Kind::Attribute, sound.file).remove(0);
    sound.put(Key::new(Kind::Attribute, 999, key.offset), value);
    sound.says("an attribute of no inode");
    let mut sound = self::sound();
    let (_, value) = sound.entries(Kind::Extent, sound.file).remove(0);
    sound.put(Key::new(Kind::Extent, sound.directory, 0), value);
    sound.says("data of no file that has some outside its inode");
}

#[test]
fn extents_do_not_overlap() {
    let mut sound = sound();
    let (key, value) = sound.entries(Kind::Extent, sound.file).remove(0);
    sound.put(Key::new(Kind::Extent, sound.file, key.offset + 4096), value);
    sound.says("two extents of a file overlap");
}

#[test]
fn two_files_do_not_share_blocks() {
    let mut sound = sound();
    let other = sound.volume.create_file(ROOT, b"other", FILE).unwrap().inode;
    let (_, value) = sound.entries(Kind::Extent, sound.file).remove(0);
    sound.put(Key::new(Kind::Extent, other, 0), value);
    sound.says("two things share a block");
}

#[test]
fn the_space_map_has_what_is_needed_and_nothing_else() {
    let mut sound = sound();
    let (key, _) = sound.entries(Kind::Extent, sound.file).remove(0);
    let (tree, mut context) = sound.volume.edit();
    tree.remove(&mut context, key).unwrap();
    sound.says("a block in use in the space map is needed by nothing");
    let mut sound = self::sound();
    let table = sound.volume.slot.body.epochs.address;
    sound.volume.space.free(table, 1, 99).unwrap();
    sound.says("a block that is needed is not in use in the space map");
}

#[test]
fn inode_numbers_are_given_out_once() {
    let mut sound = sound();
    sound.volume.next_inode = sound.file;
    sound.says("an inode's number is not given out yet");
}

/// The volume with a snapshot, and something on its dead list.
fn with_snapshot() -> Sound {
    let mut sound = sound();
    sound.volume.create_snapshot(b"snapshot").unwrap();
    sound.volume.write(sound.file, 0, &[7; 200_000]).unwrap();
    sound.volume.sync().unwrap();
    let report = sound.volume.check().unwrap();
    assert_eq!((report.findings.count, report.snapshots), (0, 1));
    sound
}

fn dead(sound: &mut Sound) -> (Key, Vec<u8>) {
    let newest = sound.volume.space.pinned();
    sound.entries(Kind::Dead, newest).remove(0)
}

#[test]
fn what_a_snapshot_needs_is_in_use() {
    let mut sound = with_snapshot();
    let (key, _) = dead(&mut sound);
    let (tree, mut context) = sound.volume.edit();
    tree.remove(&mut context, key).unwrap();
    sound.says("a block that a snapshot needs is not kept");
}

#[test]
fn a_dead_list_keeps_what_its_snapshots_have() {
    let mut sound = with_snapshot();
    let free = sound.volume.space.allocate_node().unwrap();
    let (key, value) = dead(&mut sound);
    let mut runs = snapshot::runs(&value).unwrap();
    runs.push((free, 1));
    sound.put(key, snapshot::encode_runs(&runs));
    sound.says("a dead list keeps a block for a snapshot that has not got it");
}

#[test]
fn a_dead_list_is_of_a_snapshot() {
    let mut sound = with_snapshot();
    let snapshot = sound.entries(Kind::Snapshot, sound.volume.space.pinned()).remove(0);
    let (tree, mut context) = sound.volume.edit();
    tree.remove(&mut context, snapshot.0).unwrap();
    sound.says("a dead list keeps what no snapshot needs");
}
