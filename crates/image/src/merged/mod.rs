//! The layers of an image as one tree (OCI image specification, "Image Layer Filesystem Changeset"), for reading.
//!
//! From the top down: the first layer that has a name says what it is. A mark takes the name away from the layers
//! below, a directory is merged with those below, unless it is opaque. Its attributes are those of the first layer that
//! says what they are. Nothing is read before it is asked for.

mod directory;
mod names;

use std::collections::HashMap;
use std::io;
use std::sync::{Mutex, MutexGuard, PoisonError};

use casemate_erofs::{Extended, IMPLIED, Inode, OPAQUE, ReadError, Reader, Source, kind};

use crate::sealed::Layer;
use directory::{Directory, Part};
use names::{Found, is_mark};

/// Most layers of an image, as many as container engines take.
pub const LAYERS: usize = 128;

/// An inode of a merged tree: of which layer, and its number there.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct Number(u64);

/// Bits of a number that say which layer.
const LAYER_BITS: u32 = 8;

impl Number {
    /// The root directory; the only one whose number does not say where it is from.
    pub const ROOT: Self = Self(1);

    fn new(layer: usize, number: u64) -> Result<Self, ReadError> {
        let layer = layer as u64 + 1;
        match number.checked_shl(LAYER_BITS) {
            // 0 is nobody's, and would be the root's here.
            Some(shifted) if shifted >> LAYER_BITS == number && number > 0 => Ok(Self(shifted | layer)),
            _ => Err(ReadError::Malformed("an inode's number")),
        }
    }

    /// The number of these bits, which came from [`Self::bits`].
    #[must_use]
    pub fn from_bits(bits: u64) -> Self {
        Self(bits)
    }

    /// As one number.
    #[must_use]
    pub fn bits(self) -> u64 {
        self.0
    }

    fn parts(self) -> Option<(usize, u64)> {
        let layer = (self.0 & ((1 << LAYER_BITS) - 1)).checked_sub(1)?;
        Some((usize::try_from(layer).ok()?, self.0 >> LAYER_BITS))
    }
}

/// What a name is.
#[derive(Clone, Copy, Debug)]
pub struct Node {
    /// Its number in the merged tree.
    pub number: Number,
    /// The inode of the topmost layer that says what it is.
    pub inode: Inode,
}

/// A name in a directory.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Named {
    /// The name.
    pub name: Vec<u8>,
    /// Of what kind the layer says it is, as in [`kind`].
    pub kind: u16,
    /// Of the topmost layer that has it.
    number: Number,
}

/// An image, open for reading. Threads may share it.
#[derive(Debug)]
pub struct Merged {
    /// From the bottom up.
    layers: Vec<Reader<Layer>>,
    /// Directories that were looked up, and what they are merged from.
    directories: Mutex<HashMap<Number, Directory>>,
}

impl Source for Layer {
    fn read_exact_at(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let count = self.read_at(offset, out).map_err(io::Error::other)?;
        if count < out.len() {
            return Err(io::ErrorKind::UnexpectedEof.into());
        }
        Ok(())
    }
}

impl Merged {
    /// Opens an image of these layers, from the bottom up.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn open(layers: Vec<Layer>) -> Result<Self, ReadError> {
        if layers.is_empty() || layers.len() > LAYERS {
            return Err(ReadError::Malformed("an image has 1 to 128 layers"));
        }
        let layers = layers.into_iter().map(Reader::open).collect::<Result<Vec<_>, _>>()?;
        let mut root = Directory::default();
        for (layer, reader) in layers.iter().enumerate().rev() {
            let inode = reader.inode(reader.root())?;
            root.add(reader, Part { layer, inode })?;
            if root.is_known() {
                break;
            }
        }
        Ok(Self {
            layers,
            directories: Mutex::new(HashMap::from([(Number::ROOT, root)])),
        })
    }

    /// Blocks of 4 KiB and inodes of all layers.
    #[must_use]
    pub fn size(&self) -> (u64, u64) {
        let sizes = self.layers.iter().map(|layer| (layer.blocks(), layer.inodes()));
        sizes.fold((0, 0), |all, one| {
            (all.0.saturating_add(one.0), all.1.saturating_add(one.1))
        })
    }

    /// Whether its layers say that nothing in it has extended attributes.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.layers.iter().all(Reader::is_plain)
    }

    /// The inode of a number.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn inode(&self, number: Number) -> Result<Inode, ReadError> {
        let (reader, inode) = self.locate(number)?;
        reader.inode(inode)
    }

    /// How many names lead to it, as stat(2) says; of directories of several layers nobody counts them: 1.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn links(&self, node: &Node) -> Result<u32, ReadError> {
        if node.inode.mode & kind::MASK != kind::DIRECTORY {
            return Ok(node.inode.links);
        }
        let directory = self.directory(node.number)?;
        Ok(if directory.is_of_one_layer() {
            node.inode.links
        } else {
            1
        })
    }

    /// Looks a name up.
    ///
    /// # Errors
    /// [`ReadError::NotFound`], and others of [`ReadError`].
    pub fn lookup(&self, directory: Number, name: &[u8]) -> Result<Node, ReadError> {
        let mut merged = Directory::default();
        for part in self.directory(directory)?.parts {
            let reader = self.reader(part.layer)?;
            let inode = match Found::of(reader, &part.inode, name)? {
                Found::Nothing => continue,
                Found::Mark => break,
                Found::Inode(inode) => inode,
            };
            if inode.mode & kind::MASK != kind::DIRECTORY {
                if merged.face.is_none() {
                    let number = Number::new(part.layer, inode.number)?;
                    return Ok(Node { number, inode });
                }
                break;
            }
            merged.add(
                reader,
                Part {
                    layer: part.layer,
                    inode,
                },
            )?;
            if merged.is_known() {
                break;
            }
        }
        let face = merged.face.ok_or(ReadError::NotFound)?;
        let number = Number::new(face.layer, face.inode.number)?;
        self.directories().insert(number, merged);
        Ok(Node {
            number,
            inode: face.inode,
        })
    }

    /// The names in a directory, without "." and "..", sorted.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn entries(&self, directory: Number) -> Result<Vec<Named>, ReadError> {
        let mut names = HashMap::new();
        for part in self.directory(directory)?.parts {
            let reader = self.reader(part.layer)?;
            for entry in reader.entries(&part.inode)? {
                names.entry(entry.name.clone()).or_insert((part.layer, entry));
            }
        }
        let mut entries = Vec::with_capacity(names.len());
        for (layer, entry) in names.into_values() {
            if entry.name == b"." || entry.name == b".." || is_mark(self.reader(layer)?, &entry)? {
                continue;
            }
            entries.push(Named {
                number: Number::new(layer, entry.number)?,
                name: entry.name,
                kind: entry.kind,
            });
        }
        entries.sort_by(|one, two| one.name.cmp(&two.name));
        Ok(entries)
    }

    /// What a name of [`Self::entries`] is, as [`Self::lookup`] says, and found sooner.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn node(&self, directory: Number, named: &Named) -> Result<Node, ReadError> {
        let number = named.number;
        let (reader, inode) = self.locate(number)?;
        let inode = reader.inode(inode)?;
        if inode.mode & kind::MASK == kind::DIRECTORY {
            return self.lookup(directory, &named.name);
        }
        Ok(Node { number, inode })
    }

    /// Reads a file's content from an offset on; how many bytes there were.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn content(&self, number: Number, inode: &Inode, offset: u64, out: &mut [u8]) -> Result<usize, ReadError> {
        self.locate(number)?.0.content(inode, offset, out)
    }

    /// Where a link leads.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn target(&self, number: Number) -> Result<Vec<u8>, ReadError> {
        let (reader, inode) = self.locate(number)?;
        reader.target(&reader.inode(inode)?)
    }

    /// Extended attributes, without those that speak to the layering.
    ///
    /// # Errors
    /// [`ReadError`].
    pub fn extended(&self, number: Number) -> Result<Extended, ReadError> {
        let (reader, inode) = self.locate(number)?;
        let mut extended = reader.extended(&reader.inode(inode)?)?;
        extended.remove(OPAQUE);
        extended.remove(IMPLIED);
        Ok(extended)
    }

    fn locate(&self, number: Number) -> Result<(&Reader<Layer>, u64), ReadError> {
        if number == Number::ROOT {
            let face = self.directory(number)?.face.ok_or(ReadError::NotFound)?;
            return Ok((self.reader(face.layer)?, face.inode.number));
        }
        let (layer, inode) = number.parts().ok_or(ReadError::NotFound)?;
        Ok((self.reader(layer)?, inode))
    }

    fn reader(&self, layer: usize) -> Result<&Reader<Layer>, ReadError> {
        self.layers.get(layer).ok_or(ReadError::NotFound)
    }

    fn directory(&self, number: Number) -> Result<Directory, ReadError> {
        self.directories().get(&number).cloned().ok_or(ReadError::NotFound)
    }

    fn directories(&self) -> MutexGuard<'_, HashMap<Number, Directory>> {
        self.directories.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
