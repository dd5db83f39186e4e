//! The stream.

use std::io::{BufReader, BufWriter, Read, Seek, SeekFrom, Write};

use crate::content::{Blocks, Content, Place, short};
use crate::directory::{self, Entry};
use crate::inode::{self, Described, Kind};
use crate::layout::{Layout, Placed};
use crate::out::Out;
use crate::superblock::Superblock;
use crate::tree::{Node, Tree};
use crate::{Attributes, BLOCK, Error, IMPLIED, OPAQUE, xattr};

/// Bytes that are given to the system at once.
const BUFFER: usize = 1 << 20;
/// Bytes of a file from which on it is said where its content lies.
const LARGE: u64 = 16 << 10;

/// Writes one file system.
pub struct Writer<W: Out, S: Write> {
    blocks: Blocks<W>,
    /// Short content waits here for its inode, so that it need not wait in memory.
    waiting: BufWriter<S>,
    waits: u64,
    /// Names and attributes. To be filled as content comes.
    pub tree: Tree,
}

impl<W: Out, S: Read + Write + Seek> Writer<W, S> {
    /// A file system into `out`. `waiting` is an empty file for the time of writing.
    ///
    /// # Errors
    /// [`Error::Io`].
    pub fn new(mut out: W, waiting: S, root: Attributes) -> Result<Self, Error> {
        out.write_all(&[0; BLOCK])?;
        Ok(Self {
            blocks: Blocks { out, next: 1 },
            waiting: BufWriter::with_capacity(BUFFER, waiting),
            waits: 0,
            tree: Tree::new(root),
        })
    }

    /// Takes a file's content, for [`Tree::put`].
    ///
    /// # Errors
    /// [`Error::Content`], also if there is less than `size`; [`Error::Io`], [`Error::TooLarge`].
    pub fn content(&mut self, from: &mut impl Read, size: u64) -> Result<Content, Error> {
        self.content_that_lies(from, size, None)
    }

    /// The same of content that lies in a row in what it comes from, from there on: whoever takes the file system need
    /// not keep what can be read there again. It is said of files that are worth it.
    ///
    /// # Errors
    /// Those of [`Self::content`].
    pub fn content_that_lies(&mut self, from: &mut impl Read, size: u64, lies: Option<u64>) -> Result<Content, Error> {
        let waits = self.waits;
        let place = match short(from, size)? {
            Some(bytes) if bytes.is_empty() => Place::Nowhere,
            Some(bytes) => {
                self.waiting.write_all(&bytes)?;
                self.waits += size;
                Place::Inline
            }
            None => self.blocks.content(from, size, lies.filter(|_| size >= LARGE))?,
        };
        Ok(Content { size, place, waits })
    }

    /// Writes names and attributes, and at last the first block. Gives `out` back, and how many blocks there are.
    ///
    /// # Errors
    /// [`Error::Io`], [`Error::TooLarge`].
    pub fn finish(mut self) -> Result<(W, u32), Error> {
        let layout = Layout::of(&self.tree)?;
        let inodes_at = self.blocks.next;
        let blocks = u32::try_from(layout.length.div_ceil(BLOCK as u64)).map_err(|_| Error::TooLarge)?;
        let behind = inodes_at.checked_add(blocks).ok_or(Error::TooLarge)?;
        let waiting = self.waiting.into_inner().map_err(std::io::IntoInnerError::into_error)?;
        let mut inodes = Inodes {
            tree: &self.tree,
            layout: &layout,
            behind,
            waiting: BufReader::with_capacity(BUFFER, waiting),
            waiting_at: None,
        };
        inodes.write(&mut self.blocks.out)?;
        self.blocks.next = behind;
        inodes.write_behind(&mut self.blocks)?;
        let superblock = Superblock {
            inodes: layout.placed.len() as u64,
            blocks: self.blocks.next,
            inodes_at,
            root: u16::try_from(layout.number(Tree::ROOT)).map_err(|_| Error::TooLarge)?,
            chunks: layout
                .placed
                .iter()
                .any(|placed| matches!(placed.place, Place::Chunks { .. })),
            plain: is_plain(&self.tree, &layout),
        };
        self.blocks.out.first_block(&superblock.encode())?;
        Ok((self.blocks.out, superblock.blocks))
    }
}

/// Whether no inode has extended attributes that anybody asks for.
fn is_plain(tree: &Tree, layout: &Layout) -> bool {
    let nodes = layout.placed.iter().map(|placed| tree.get(placed.node));
    let mut names = nodes.flat_map(|node| node.attributes.extended.keys());
    names.all(|name| name == OPAQUE || name == IMPLIED)
}

/// The second half: inodes, and what lies behind them.
struct Inodes<'t, S> {
    tree: &'t Tree,
    layout: &'t Layout,
    /// First block behind the inodes.
    behind: u32,
    waiting: BufReader<S>,
    waiting_at: Option<u64>,
}

impl<S: Read + Seek> Inodes<'_, S> {
    fn write(&mut self, out: &mut impl Write) -> Result<(), Error> {
        let mut at = 0;
        for (number, placed) in (1..).zip(&self.layout.placed) {
            pad(out, placed.at - at)?;
            at = placed.at + self.write_inode(out, number, placed)?;
        }
        pad(out, at.next_multiple_of(BLOCK as u64) - at)
    }

    /// An inode and what is beside it; how many bytes that was.
    fn write_inode(&mut self, out: &mut impl Write, number: u32, placed: &Placed) -> Result<u64, Error> {
        let node = self.tree.get(placed.node);
        let place = match placed.place {
            Place::Row { first } if !matches!(node.kind, Kind::File(_)) => Place::Row {
                first: self.behind + first,
            },
            ref place => place.clone(),
        };
        let described = Described {
            place: &place,
            size: placed.size,
        };
        let head = inode::encode(
            &node.kind,
            &node.attributes,
            placed.extended,
            placed.links,
            number,
            &described,
        )?;
        out.write_all(&head)?;
        out.write_all(&xattr::encode(&node.attributes.extended)?)?;
        let beside = self.beside(placed)?;
        out.write_all(&beside)?;
        Ok((head.len() + placed.extended + beside.len()) as u64)
    }

    fn beside(&mut self, placed: &Placed) -> Result<Vec<u8>, Error> {
        match (&placed.place, &self.tree.get(placed.node).kind) {
            (Place::Chunks { map, .. }, _) => Ok(map.iter().flat_map(|block| block.to_le_bytes()).collect()),
            (Place::Inline, Kind::File(content)) => self.waited(content),
            (Place::Inline, _) => Ok(self.held(placed)),
            (Place::Nowhere | Place::Row { .. }, _) => Ok(Vec::new()),
        }
    }

    /// Short content that waited.
    fn waited(&mut self, content: &Content) -> Result<Vec<u8>, Error> {
        if self.waiting_at != Some(content.waits) {
            self.waiting.seek(SeekFrom::Start(content.waits))?;
        }
        let mut bytes = vec![0; usize::try_from(content.size).map_err(|_| Error::TooLarge)?];
        self.waiting.read_exact(&mut bytes)?;
        self.waiting_at = Some(content.waits + content.size);
        Ok(bytes)
    }

    /// What a link or a directory holds.
    fn held(&self, placed: &Placed) -> Vec<u8> {
        let node = self.tree.get(placed.node);
        match &node.kind {
            Kind::Link(target) => target.clone(),
            _ => directory::encode(&self.entries(placed.node, placed.above)),
        }
    }

    fn entries(&self, node: Node, above: Node) -> Vec<Entry<'_>> {
        let entry = |name, node| (name, self.layout.number(node), self.tree.get(node).kind.number());
        let mut entries = vec![entry(&b"."[..], node), entry(b"..", above)];
        let names = self.tree.get(node).entries.iter();
        entries.extend(names.map(|(name, node)| entry(name, *node)));
        entries.sort_unstable();
        entries
    }

    fn write_behind(&mut self, blocks: &mut Blocks<impl Write>) -> Result<(), Error> {
        for placed in &self.layout.placed {
            let is_file = matches!(self.tree.get(placed.node).kind, Kind::File(_));
            if matches!(placed.place, Place::Row { .. }) && !is_file {
                blocks.write(&self.held(placed))?;
            }
        }
        Ok(())
    }
}

fn pad(out: &mut impl Write, length: u64) -> Result<(), Error> {
    std::io::copy(&mut std::io::repeat(0).take(length), out)?;
    Ok(())
}
