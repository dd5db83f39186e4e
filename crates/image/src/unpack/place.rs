//! Where entries go: paths, hard links, and what is taken away from the layers below.

use std::collections::HashSet;

use casemate_erofs::{Attributes, Device, IMPLIED, Kind, Node, OPAQUE, Time, Tree as Names};

use super::Reason;

/// Before the name of what is taken away.
pub const WHITEOUT: &[u8] = b".wh.";
/// Behind [`WHITEOUT`]: all that the layers below have in the directory.
const OPAQUE_MARK: &[u8] = b".wh..opq";
/// Behind [`WHITEOUT`]: notes of an older kind of layering, which mean nothing here.
const NOTES: &[u8] = b".wh.";
/// Most names in a path. Linux takes 2,048 at once (PATH_MAX), and so one directory above that.
const DEEPEST: usize = 4096;
const TAKEN: Kind = Kind::Character(Device { major: 0, minor: 0 });

/// What a path names.
pub enum Name<'p> {
    Root,
    In(Node, &'p [u8]),
}

/// What is known of the tree beside its names.
#[derive(Default)]
pub struct Tree {
    /// Marks of what is taken away.
    marks: HashSet<Node>,
    /// Directories that the archive left out.
    pub implied: u64,
}

impl Tree {
    /// Where an entry goes. Directories that are missing are made.
    pub fn resolve<'p>(&mut self, names: &mut Names, path: &'p [u8]) -> Result<Name<'p>, Reason> {
        let mut parts = parts(path)?;
        let Some(last) = parts.pop() else {
            return Ok(Name::Root);
        };
        let mut directory = Names::ROOT;
        for part in parts {
            directory = match names.find(directory, part) {
                Some(node) if names.is_directory(node) => node,
                Some(node) if !self.marks.contains(&node) => return Err(Reason::Through(shown(part))),
                there => {
                    self.implied += 1;
                    // In the place of what was taken away it is a new one.
                    let attributes = if there.is_some() { fresh() } else { implied() };
                    self.add(names, directory, part, Kind::Directory, attributes)?
                }
            };
        }
        Ok(Name::In(directory, last))
    }

    /// Gives the root what its entry says. What it takes away below it still does.
    pub fn put_root(&self, names: &mut Names, mut attributes: Attributes) -> Result<(), Reason> {
        if is_opaque(names, Names::ROOT) {
            attributes.extended.insert(OPAQUE.to_vec(), b"y".to_vec());
        }
        Ok(names.set_attributes(Names::ROOT, attributes)?)
    }

    /// Puts an entry.
    pub fn put(
        &mut self,
        names: &mut Names,
        directory: Node,
        name: &[u8],
        kind: Kind,
        attributes: Attributes,
    ) -> Result<(), Reason> {
        self.add(names, directory, name, kind, attributes)?;
        Ok(())
    }

    /// A directory in the place of a mark takes away what is below, too; one that did so goes on.
    fn add(
        &mut self,
        names: &mut Names,
        directory: Node,
        name: &[u8],
        kind: Kind,
        mut attributes: Attributes,
    ) -> Result<Node, Reason> {
        let there = names.find(directory, name);
        let takes_away = there.is_some_and(|node| self.marks.contains(&node) || is_opaque(names, node));
        if takes_away && matches!(kind, Kind::Directory) {
            attributes.extended.insert(OPAQUE.to_vec(), b"y".to_vec());
        }
        Ok(names.put(directory, name, kind, attributes)?)
    }

    /// Another name of what is in this layer.
    pub fn link(&self, names: &mut Names, directory: Node, name: &[u8], target: &[u8]) -> Result<(), Reason> {
        let missing = || Reason::NoTarget(shown(target));
        let mut node = Names::ROOT;
        for part in parts(target)? {
            node = names.find(node, part).ok_or_else(missing)?;
        }
        if self.marks.contains(&node) {
            return Err(missing());
        }
        Ok(names.link(directory, name, node)?)
    }

    /// Takes a name away from the layers below. What this layer has itself stays.
    pub fn take_away(&mut self, names: &mut Names, directory: Node, taken: &[u8]) -> Result<(), Reason> {
        if taken == OPAQUE_MARK {
            return make_opaque(names, directory);
        }
        if taken.starts_with(NOTES) {
            return Ok(());
        }
        if taken.is_empty() {
            return Err(Reason::Whiteout);
        }
        match names.find(directory, taken) {
            Some(node) if names.is_directory(node) => {
                make_opaque(names, node)?;
                make_new(names, node)
            }
            Some(_) => Ok(()),
            None => {
                let mark = names.put(directory, taken, TAKEN, fresh())?;
                self.marks.insert(mark);
                Ok(())
            }
        }
    }
}

fn parts(path: &[u8]) -> Result<Vec<&[u8]>, Reason> {
    let parts = path.split(|byte| *byte == b'/');
    let parts: Vec<_> = parts.filter(|part| !part.is_empty() && *part != b".").collect();
    if parts.contains(&&b".."[..]) {
        return Err(Reason::Escapes);
    }
    if parts.len() > DEEPEST {
        return Err(Reason::Deep);
    }
    Ok(parts)
}

/// Of directories that the archive leaves out, where no layer below has them.
fn fresh() -> Attributes {
    Attributes {
        permissions: 0o755,
        modified: Time::default(),
        ..Attributes::default()
    }
}

/// Of those that a layer below may have.
fn implied() -> Attributes {
    let mut attributes = fresh();
    attributes.extended.insert(IMPLIED.to_vec(), b"y".to_vec());
    attributes
}

/// Says that the root has no entry, until there is one.
pub fn imply_root(names: &mut Names) -> Result<(), Reason> {
    Ok(names.set_attributes(Names::ROOT, implied())?)
}

/// The one below is gone, and its attributes with it.
fn make_new(names: &mut Names, node: Node) -> Result<(), Reason> {
    let mut attributes = names.attributes(node).clone();
    attributes.extended.remove(IMPLIED);
    Ok(names.set_attributes(node, attributes)?)
}

fn is_opaque(names: &Names, node: Node) -> bool {
    names.attributes(node).extended.contains_key(OPAQUE)
}

fn make_opaque(names: &mut Names, node: Node) -> Result<(), Reason> {
    let mut attributes = names.attributes(node).clone();
    attributes.extended.insert(OPAQUE.to_vec(), b"y".to_vec());
    Ok(names.set_attributes(node, attributes)?)
}

fn shown(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}
