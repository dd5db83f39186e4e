//! A file system as simple as can be, to compare with.

use std::collections::BTreeMap;
use std::rc::Rc;

use casemate_volume::{Allocate, Changes, Error, New, ROOT, Rename, Volume};

pub const DIRECTORY: u32 = 0o040_000;
pub const FILE: u32 = 0o100_000;
pub const SYMLINK: u32 = 0o120_000;

/// Errors of the model, as numbers of Linux.
pub mod errno {
    pub const PERM: i32 = 1;
    pub const NOENT: i32 = 2;
    pub const EXIST: i32 = 17;
    pub const NOTDIR: i32 = 20;
    pub const ISDIR: i32 = 21;
    pub const INVAL: i32 = 22;
    pub const NOTEMPTY: i32 = 39;
    pub const NODATA: i32 = 61;
}

/// A path of few names, so that operations meet.
pub type Path = Vec<u8>;

#[derive(Clone, Debug)]
pub enum Operation {
    Create(Path),
    Mkdir(Path),
    Symlink(Path, Vec<u8>),
    Link(Path, Path),
    Unlink(Path, bool),
    Rmdir(Path),
    Rename(Path, Path, u8),
    Write(Path, u64, usize, u8),
    Truncate(Path, u64),
    /// Offset, length.
    Allocate(Path, u64, u64, Allocate),
    Chmod(Path, u32),
    SetAttribute(Path, u8, usize),
    RemoveAttribute(Path, u8),
    Fsync(Path),
    Sync,
    Gather,
    Remount,
    Snapshot(u8),
    DeleteSnapshot(u8),
}

/// What can be seen of one path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seen {
    pub mode: u32,
    pub links: u32,
    pub inode: u64,
    pub attributes: BTreeMap<Vec<u8>, Vec<u8>>,
    pub content: Rc<Vec<u8>>,
}

/// All paths. Of a file, each content that may be found after a crash, the newest last.
pub type View = BTreeMap<Vec<u8>, (Seen, Vec<Rc<Vec<u8>>>)>;

#[derive(Clone, Debug)]
struct Node {
    mode: u32,
    links: u32,
    parent: u64,
    entries: BTreeMap<u8, u64>,
    versions: Vec<Rc<Vec<u8>>>,
    attributes: BTreeMap<Vec<u8>, Vec<u8>>,
}

impl Node {
    fn is_directory(&self) -> bool {
        self.mode & 0o170_000 == DIRECTORY
    }

    fn settle(&mut self) {
        self.versions.drain(..self.versions.len() - 1);
    }
}

#[derive(Clone, Debug)]
pub struct Model {
    nodes: BTreeMap<u64, Node>,
    next: u64,
    /// What each snapshot shows.
    pub snapshots: Snapshots,
}

/// Snapshots by name.
pub type Snapshots = BTreeMap<Vec<u8>, Rc<View>>;

type Done = Result<(), i32>;

impl Default for Model {
    fn default() -> Self {
        let root = Self::node(DIRECTORY | 0o755, ROOT);
        Self {
            nodes: BTreeMap::from([(ROOT, root)]),
            next: ROOT + 1,
            snapshots: Snapshots::new(),
        }
    }
}

impl Model {
    fn node(mode: u32, parent: u64) -> Node {
        let links = if mode & 0o170_000 == DIRECTORY { 2 } else { 1 };
        let versions = vec![Rc::new(Vec::new())];
        Node {
            mode,
            links,
            parent,
            entries: BTreeMap::new(),
            versions,
            attributes: BTreeMap::new(),
        }
    }

    pub fn apply(&mut self, operation: &Operation) -> Done {
        match operation {
            Operation::Create(path) => self.make(path, FILE | 0o644, b""),
            Operation::Mkdir(path) => self.make(path, DIRECTORY | 0o755, b""),
            Operation::Symlink(path, target) => self.make(path, SYMLINK | 0o777, target),
            Operation::Link(from, to) => self.link(from, to),
            Operation::Unlink(path, _) => self.unlink(path),
            Operation::Rmdir(path) => self.rmdir(path),
            Operation::Rename(from, to, how) => self.rename(from, to, *how),
            Operation::Write(path, at, length, seed) => self.write(path, *at, &bytes(*seed, *length)),
            Operation::Truncate(path, size) => self.truncate(path, *size),
            Operation::Allocate(path, from, length, how) => self.allocate(path, *from, *length, *how),
            Operation::Chmod(path, mode) => self.chmod(path, *mode),
            Operation::SetAttribute(path, name, length) => {
                let node = self.resolve(path)?;
                self.at(node).attributes.insert(vec![*name], bytes(*name, *length));
                Ok(())
            }
            Operation::RemoveAttribute(path, name) => {
                let node = self.resolve(path)?;
                self.at(node)
                    .attributes
                    .remove(&vec![*name])
                    .map(drop)
                    .ok_or(errno::NODATA)
            }
            Operation::Fsync(path) => {
                let node = self.resolve(path)?;
                self.at(node).settle();
                Ok(())
            }
            Operation::Gather => Ok(()),
            Operation::Sync | Operation::Remount => {
                self.nodes.values_mut().for_each(Node::settle);
                Ok(())
            }
            Operation::Snapshot(name) if self.snapshots.contains_key([*name].as_slice()) => Err(errno::EXIST),
            Operation::Snapshot(name) => {
                self.nodes.values_mut().for_each(Node::settle);
                self.snapshots.insert(vec![*name], Rc::new(self.view()));
                Ok(())
            }
            Operation::DeleteSnapshot(name) => {
                let removed = self.snapshots.remove([*name].as_slice());
                removed.ok_or(errno::NOENT)?;
                self.nodes.values_mut().for_each(Node::settle);
                Ok(())
            }
        }
    }

    fn at(&mut self, node: u64) -> &mut Node {
        self.nodes.get_mut(&node).unwrap()
    }

    fn resolve(&self, path: &[u8]) -> Result<u64, i32> {
        path.iter().try_fold(ROOT, |at, name| {
            let node = &self.nodes[&at];
            if !node.is_directory() {
                return Err(errno::NOTDIR);
            }
            node.entries.get(name).copied().ok_or(errno::NOENT)
        })
    }

    fn parent<'a>(&self, path: &'a [u8]) -> Result<(u64, &'a u8), i32> {
        let (name, parents) = path.split_last().unwrap();
        let parent = self.resolve(parents)?;
        if self.nodes[&parent].is_directory() {
            Ok((parent, name))
        } else {
            Err(errno::NOTDIR)
        }
    }

    fn make(&mut self, path: &[u8], mode: u32, content: &[u8]) -> Done {
        let (parent, name) = self.parent(path)?;
        if self.nodes[&parent].entries.contains_key(name) {
            return Err(errno::EXIST);
        }
        let mut node = Self::node(mode, parent);
        node.versions = vec![Rc::new(content.to_vec())];
        self.at(parent).links += u32::from(node.is_directory());
        let inode = self.next;
        self.at(parent).entries.insert(*name, inode);
        self.nodes.insert(inode, node);
        self.next += 1;
        Ok(())
    }

    fn link(&mut self, from: &[u8], to: &[u8]) -> Done {
        let node = self.resolve(from)?;
        let (parent, name) = self.parent(to)?;
        match () {
            () if self.nodes[&node].is_directory() => return Err(errno::PERM),
            () if self.nodes[&parent].entries.contains_key(name) => return Err(errno::EXIST),
            () => {}
        }
        self.at(parent).entries.insert(*name, node);
        self.at(node).links += 1;
        Ok(())
    }

    fn unlink(&mut self, path: &[u8]) -> Done {
        let (parent, name) = self.parent(path)?;
        let node = *self.nodes[&parent].entries.get(name).ok_or(errno::NOENT)?;
        if self.nodes[&node].is_directory() {
            return Err(errno::ISDIR);
        }
        self.at(parent).entries.remove(name);
        self.at(node).links -= 1;
        Ok(())
    }

    fn rmdir(&mut self, path: &[u8]) -> Done {
        let (parent, name) = self.parent(path)?;
        let node = *self.nodes[&parent].entries.get(name).ok_or(errno::NOENT)?;
        match () {
            () if !self.nodes[&node].is_directory() => return Err(errno::NOTDIR),
            () if !self.nodes[&node].entries.is_empty() => return Err(errno::NOTEMPTY),
            () => {}
        }
        self.at(parent).entries.remove(name);
        self.at(parent).links -= 1;
        Ok(())
    }

    fn is_above(&self, node: u64, mut at: u64) -> bool {
        while at != node && at != ROOT {
            at = self.nodes[&at].parent;
        }
        at == node
    }

    fn rename(&mut self, from: &[u8], to: &[u8], how: u8) -> Done {
        let ((source_in, source_name), (into, name)) = (self.parent(from)?, self.parent(to)?);
        let source = *self.nodes[&source_in].entries.get(source_name).ok_or(errno::NOENT)?;
        let old = self.nodes[&into].entries.get(name).copied();
        let moves_directory = self.nodes[&source].is_directory();
        match (old, how) {
            _ if moves_directory && self.is_above(source, into) => Err(errno::INVAL),
            (Some(_), 1) => Err(errno::EXIST),
            (None, 2) => Err(errno::NOENT),
            (Some(old), _) if old == source => Ok(()),
            (Some(old), 2) if self.nodes[&old].is_directory() && self.is_above(old, source_in) => Err(errno::INVAL),
            (Some(old), 2) => {
                self.put((source_in, source_name), old);
                self.put((into, name), source);
                Ok(())
            }
            (old, _) => self.replace((source_in, source_name), source, (into, name), old),
        }
    }

    fn replace(&mut self, from: (u64, &u8), source: u64, to: (u64, &u8), old: Option<u64>) -> Done {
        if let Some(old) = old {
            match (self.nodes[&source].is_directory(), self.nodes[&old].is_directory()) {
                (true, false) => return Err(errno::NOTDIR),
                (false, true) => return Err(errno::ISDIR),
                (true, true) if !self.nodes[&old].entries.is_empty() => return Err(errno::NOTEMPTY),
                _ => {}
            }
            self.at(old).links -= 1;
        }
        self.at(from.0).entries.remove(from.1);
        self.put(to, source);
        Ok(())
    }

    fn put(&mut self, to: (u64, &u8), node: u64) {
        self.at(to.0).entries.insert(*to.1, node);
        self.at(node).settle();
        if self.nodes[&node].is_directory() {
            self.at(node).parent = to.0;
        }
        let nodes = &self.nodes;
        let count = |at: &Node| at.entries.values().filter(|child| nodes[child].is_directory()).count() as u32;
        let links: Vec<(u64, u32)> = nodes
            .iter()
            .filter(|(_, at)| at.is_directory())
            .map(|(inode, at)| (*inode, 2 + count(at)))
            .collect();
        links
            .into_iter()
            .for_each(|(inode, links)| self.at(inode).links = links);
    }

    fn file(&mut self, path: &[u8]) -> Result<&mut Node, i32> {
        let node = self.resolve(path)?;
        match self.nodes[&node].mode & 0o170_000 {
            DIRECTORY => Err(errno::ISDIR),
            FILE => Ok(self.at(node)),
            _ => Err(errno::INVAL),
        }
    }

    fn write(&mut self, path: &[u8], at: u64, bytes: &[u8]) -> Done {
        let file = self.file(path)?;
        let mut content = file.versions.last().unwrap().to_vec();
        let end = at as usize + bytes.len();
        content.resize(content.len().max(end), 0);
        content[at as usize..end].copy_from_slice(bytes);
        file.versions.push(Rc::new(content));
        Ok(())
    }

    fn truncate(&mut self, path: &[u8], size: u64) -> Done {
        let file = self.file(path)?;
        let mut content = file.versions.last().unwrap().to_vec();
        content.resize(size as usize, 0);
        file.versions = vec![Rc::new(content)];
        Ok(())
    }

    fn allocate(&mut self, path: &[u8], from: u64, length: u64, how: Allocate) -> Done {
        let file = self.file(path)?;
        let mut content = file.versions.last().unwrap().to_vec();
        let (from, end) = (from as usize, (from + length) as usize);
        if !matches!(how, Allocate::Reserve { .. }) && from < content.len() {
            let last = end.min(content.len());
            content[from..last].fill(0);
        }
        let keeps = matches!(
            how,
            Allocate::Punch | Allocate::Reserve { keep_size: true } | Allocate::Zero { keep_size: true }
        );
        if !keeps {
            content.resize(content.len().max(end), 0);
        }
        file.versions = vec![Rc::new(content)];
        Ok(())
    }

    fn chmod(&mut self, path: &[u8], mode: u32) -> Done {
        let node = self.resolve(path)?;
        let node = self.at(node);
        node.mode = node.mode & 0o170_000 | mode;
        node.settle();
        Ok(())
    }

    pub fn view(&self) -> View {
        let mut view = View::new();
        self.walk(ROOT, Vec::new(), &mut view);
        view
    }

    fn walk(&self, inode: u64, path: Vec<u8>, view: &mut View) {
        let node = &self.nodes[&inode];
        let content = Rc::clone(node.versions.last().unwrap());
        let seen = Seen {
            mode: node.mode,
            links: node.links,
            inode,
            attributes: node.attributes.clone(),
            content,
        };
        view.insert(path.clone(), (seen, node.versions.clone()));
        for (name, child) in &node.entries {
            self.walk(*child, [path.as_slice(), &[*name]].concat(), view);
        }
    }
}

/// Bytes that follow from a seed.
pub fn bytes(seed: u8, length: usize) -> Vec<u8> {
    (0..length)
        .map(|index| seed.wrapping_mul(31).wrapping_add((index % 251) as u8))
        .collect()
}

/// Does the same to a volume, as a front would.
pub fn drive(volume: &mut Volume, operation: &Operation) -> Done {
    perform(volume, operation).map_err(|error| error.errno())
}

fn perform(volume: &mut Volume, operation: &Operation) -> Result<(), Error> {
    let new = |mode| New {
        mode,
        uid: 0,
        gid: 0,
        device: 0,
    };
    match operation {
        Operation::Create(path) => at(volume, path, |volume, parent, name| {
            volume.create_file(parent, name, new(FILE | 0o644)).map(drop)
        }),
        Operation::Mkdir(path) => at(volume, path, |volume, parent, name| {
            volume.mkdir(parent, name, new(0o755)).map(drop)
        }),
        Operation::Symlink(path, target) => at(volume, path, |volume, parent, name| {
            volume.symlink(parent, name, target, new(0)).map(drop)
        }),
        Operation::Link(from, to) => {
            let inode = resolve(volume, from)?;
            at(volume, to, |volume, parent, name| {
                volume.link(inode, parent, name).map(drop)
            })
        }
        Operation::Unlink(path, open) => {
            let inode = resolve(volume, path);
            at(volume, path, |volume, parent, name| volume.unlink(parent, name))?;
            if *open { Ok(()) } else { volume.reap(inode?) }
        }
        Operation::Rmdir(path) => {
            let inode = resolve(volume, path);
            at(volume, path, |volume, parent, name| volume.rmdir(parent, name))?;
            volume.reap(inode?)
        }
        Operation::Rename(from, to, how) => rename(volume, from, to, *how),
        Operation::Write(path, offset, length, seed) => {
            let inode = resolve(volume, path)?;
            volume.write(inode, *offset, &bytes(*seed, *length))
        }
        Operation::Truncate(path, size) => {
            let inode = resolve(volume, path)?;
            volume.truncate(inode, *size).map(drop)
        }
        Operation::Allocate(path, from, length, how) => {
            let inode = resolve(volume, path)?;
            volume.allocate(inode, *from, *length, *how).map(drop)
        }
        Operation::Chmod(path, mode) => {
            let inode = resolve(volume, path)?;
            volume
                .set_attributes(
                    inode,
                    &Changes {
                        mode: Some(*mode),
                        ..Changes::default()
                    },
                )
                .map(drop)
        }
        Operation::SetAttribute(path, name, length) => {
            let inode = resolve(volume, path)?;
            volume.set_attribute(inode, &[*name], &bytes(*name, *length), None)
        }
        Operation::RemoveAttribute(path, name) => {
            let inode = resolve(volume, path)?;
            volume.remove_attribute(inode, &[*name])
        }
        Operation::Fsync(path) => {
            let inode = resolve(volume, path)?;
            volume.fsync(inode)
        }
        Operation::Sync => volume.sync(),
        Operation::Gather => volume.gather().map(drop),
        Operation::Remount => Ok(()),
        Operation::Snapshot(name) => volume.create_snapshot(&[*name]).map(drop),
        Operation::DeleteSnapshot(name) => volume.delete_snapshot(&[*name]),
    }
}

fn rename(volume: &mut Volume, from: &[u8], to: &[u8], how: u8) -> Result<(), Error> {
    let how = [Rename::Replace, Rename::Keep, Rename::Exchange][how as usize];
    let (source_name, source) = from.split_last().unwrap();
    let (name, into) = to.split_last().unwrap();
    let source = directory(volume, source)?;
    let into = directory(volume, into)?;
    volume.rename((source, &[*source_name]), (into, &[*name]), how)
}

fn directory(volume: &mut Volume, path: &[u8]) -> Result<u64, Error> {
    let inode = resolve(volume, path)?;
    volume.readdir(inode, 0, 1).map(|_| inode)
}

fn resolve(volume: &mut Volume, path: &[u8]) -> Result<u64, Error> {
    path.iter()
        .try_fold(ROOT, |at, name| Ok(volume.lookup(at, &[*name])?.inode))
}

fn at(
    volume: &mut Volume,
    path: &[u8],
    act: impl FnOnce(&mut Volume, u64, &[u8]) -> Result<(), Error>,
) -> Result<(), Error> {
    let (name, parents) = path.split_last().unwrap();
    let parent = resolve(volume, parents)?;
    act(volume, parent, &[*name])
}

/// All that can be seen in a volume.
pub fn look(volume: &mut Volume) -> Result<BTreeMap<Vec<u8>, Seen>, Error> {
    let mut seen = BTreeMap::new();
    look_at(volume, ROOT, Vec::new(), &mut seen)?;
    Ok(seen)
}

fn look_at(volume: &mut Volume, inode: u64, path: Vec<u8>, seen: &mut BTreeMap<Vec<u8>, Seen>) -> Result<(), Error> {
    let found = volume.attributes(inode)?;
    let mut content = Vec::new();
    match found.mode & 0o170_000 {
        FILE => {
            content.resize(found.size as usize, 0);
            volume.read(inode, 0, &mut content)?;
        }
        SYMLINK => content = volume.readlink(inode)?,
        _ => {
            for entry in volume.readdir(inode, 0, usize::MAX)? {
                look_at(volume, entry.inode, [path.clone(), entry.name].concat(), seen)?;
            }
        }
    }
    let mut attributes = BTreeMap::new();
    for name in volume.attribute_names(inode)? {
        let value = volume.attribute(inode, &name)?;
        attributes.insert(name, value);
    }
    let (mode, links) = (found.mode, found.links);
    seen.insert(
        path,
        Seen {
            mode,
            links,
            inode,
            attributes,
            content: Rc::new(content),
        },
    );
    Ok(())
}

/// Whether a recovered volume is this state: names and attributes as they were, each file's content one of those that
/// were not yet superseded by something durable.
pub fn is_state(seen: &BTreeMap<Vec<u8>, Seen>, view: &View) -> bool {
    seen.len() == view.len()
        && seen
            .iter()
            .zip(view)
            .all(|((path, seen), (expected_path, (expected, versions)))| {
                let same = Seen {
                    content: Rc::clone(&expected.content),
                    ..seen.clone()
                } == *expected;
                path == expected_path && same && versions.contains(&seen.content)
            })
}
