//! Reading in two steps: what to read is looked up in the tree, and then it is read and opened, for which nobody needs
//! the tree. Fronts that lock a volume hold the lock for the first step only.

pub(super) mod parts;

use std::ops::Range;
use std::sync::Arc;

use super::Volume;
use crate::Error;
use crate::format::extent::Extent;
use crate::format::{BLOCK, PIECE_BLOCKS};
use crate::seal::{EpochKey, Purpose};
use crate::store::{Blocks, Buffer, Sealed, starts_segment};

/// Bytes of a whole piece.
const PIECE: usize = PIECE_BLOCKS as usize * BLOCK;

/// What a read will show, from where.
pub struct Reading {
    blocks: Blocks,
    count: usize,
    runs: Vec<Run>,
    /// What lies in memory, over everything else: offset in the read, bytes.
    overlays: Vec<(usize, Vec<u8>)>,
}

/// Pieces that lie in a row on the host and in the file.
struct Run {
    address: u64,
    blocks: usize,
    pieces: Vec<Piece>,
}

/// One sealed piece and where its bytes go.
struct Piece {
    address: u64,
    blocks: usize,
    sealed: Sealed,
    key: Arc<EpochKey>,
    /// Its bytes that are shown.
    shown: Range<usize>,
    /// Where they begin in the read.
    at: usize,
}

impl Volume {
    /// Looks up what a read of `length` bytes from `offset` on shows now.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub(crate) fn reading(&mut self, inode: u64, offset: u64, length: usize) -> Result<Reading, Error> {
        let file = self.file(inode)?;
        let left = usize::try_from(file.size.saturating_sub(offset)).unwrap_or(usize::MAX);
        let mut reading = Reading {
            blocks: self.store.blocks(),
            count: left.min(length),
            runs: Vec::new(),
            overlays: Vec::new(),
        };
        if reading.count == 0 {
            return Ok(reading);
        }
        let span = Span {
            from: offset,
            to: offset + reading.count as u64,
        };
        if file.inline.is_empty() {
            self.plan_extents(inode, &span, &mut reading)?;
        } else if let Some((at, shown)) = span.of(0, file.inline.len()) {
            reading.overlays.push((at, file.inline[shown].to_vec()));
        }
        self.plan_pages(inode, &span, &mut reading);
        Ok(reading)
    }

    fn plan_extents(&mut self, inode: u64, span: &Span, reading: &mut Reading) -> Result<(), Error> {
        let mut blocks = span.blocks();
        while !blocks.is_empty() {
            let Some((at, extent)) = self.extent_in(inode, blocks.start, blocks.end)? else {
                return Ok(());
            };
            let end = at + u64::from(extent.count);
            let shown = blocks.start.max(at)..blocks.end.min(end);
            let key = self.store.key(extent.fence, extent.address)?;
            reading.add(&extent, at, shown, span, &key);
            blocks.start = end;
        }
        Ok(())
    }

    fn plan_pages(&self, inode: u64, span: &Span, reading: &mut Reading) {
        let Some(waiting) = self.files.get(&inode) else {
            return;
        };
        for (index, page) in waiting.pages.range(span.blocks()) {
            if let Some((at, shown)) = span.of(index * BLOCK as u64, BLOCK) {
                reading.overlays.push((at, page[shown].to_vec()));
            }
        }
    }
}

/// Bytes of a file that a read shows.
struct Span {
    from: u64,
    to: u64,
}

impl Span {
    fn blocks(&self) -> Range<u64> {
        self.from / BLOCK as u64..self.to.div_ceil(BLOCK as u64)
    }

    /// Of bytes that lie in the file from `start` on: where in the read they begin, and which of them it shows.
    fn of(&self, start: u64, length: usize) -> Option<(usize, Range<usize>)> {
        let (first, last) = (start.max(self.from), (start + length as u64).min(self.to));
        let narrow = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
        (first < last).then(|| (narrow(first - self.from), narrow(first - start)..narrow(last - start)))
    }
}

impl Reading {
    /// Adds those pieces of an extent at block `at` that hold some of the blocks `shown`.
    fn add(&mut self, extent: &Extent, at: u64, shown: Range<u64>, span: &Span, key: &Arc<EpochKey>) {
        let base = at - u64::from(extent.start);
        let piece_of = |block: u64| u32::try_from((block - base) / u64::from(PIECE_BLOCKS)).unwrap_or(u32::MAX);
        for index in piece_of(shown.start)..=piece_of(shown.end - 1) {
            let (address, blocks) = extent.piece(index);
            let first = base + u64::from(index) * u64::from(PIECE_BLOCKS);
            let within = Span {
                from: span.from.max(shown.start * BLOCK as u64),
                to: span.to.min(shown.end * BLOCK as u64),
            };
            let Some((_, bytes)) = within.of(first * BLOCK as u64, blocks as usize * BLOCK) else {
                continue;
            };
            let from = first * BLOCK as u64 + bytes.start as u64;
            let piece = Piece {
                address,
                blocks: blocks as usize,
                sealed: Sealed {
                    fence: extent.fence,
                    counter: extent.counter.saturating_add(index.into()),
                    check: extent.checks[index as usize],
                },
                key: Arc::clone(key),
                shown: bytes,
                at: usize::try_from(from - span.from).unwrap_or(usize::MAX),
            };
            self.push(piece);
        }
    }

    fn push(&mut self, piece: Piece) {
        let address = piece.address;
        match self.runs.last_mut() {
            Some(run) if run.address + run.blocks as u64 == address && !starts_segment(address) => {
                run.blocks += piece.blocks;
                run.pieces.push(piece);
            }
            _ => self.runs.push(Run {
                address,
                blocks: piece.blocks,
                pieces: vec![piece],
            }),
        }
    }

    /// Reads into `out`; how many bytes there were. `scratch` gets the sealed bytes; who reads often keeps it.
    ///
    /// Without the lock under which it was looked up, blocks may have been used again in the meantime: an
    /// [`Error::Tampered`] is the volume's only if [`Volume::read`] has it too.
    ///
    /// # Errors
    /// Those of [`Volume::read`].
    pub fn run(&self, out: &mut [u8], scratch: &mut Buffer) -> Result<usize, Error> {
        let out = &mut out[..self.count];
        let mut done = 0;
        for run in &self.runs {
            let mut rest = run.read(&self.blocks, scratch)?;
            for piece in &run.pieces {
                let (sealed, behind) = rest.split_at(piece.blocks * BLOCK);
                out[done..piece.at].fill(0);
                done = piece.at + piece.shown.len();
                piece.open(&self.blocks, sealed, &mut out[piece.at..done])?;
                rest = behind;
            }
        }
        out[done..].fill(0);
        for (at, bytes) in &self.overlays {
            out[*at..*at + bytes.len()].copy_from_slice(bytes);
        }
        Ok(self.count)
    }
}

impl Run {
    fn read<'s>(&self, blocks: &Blocks, scratch: &'s mut Buffer) -> Result<&'s [u8], Error> {
        let length = self.blocks * BLOCK;
        let sealed = scratch.room(length);
        blocks.read(self.address, sealed)?;
        Ok(sealed)
    }
}

impl Piece {
    fn open(&self, blocks: &Blocks, sealed: &[u8], out: &mut [u8]) -> Result<(), Error> {
        if self.shown.len() == sealed.len() {
            return blocks.open((&self.key, Purpose::Data), self.address, &self.sealed, sealed, out);
        }
        let mut whole = [0; PIECE];
        let whole = &mut whole[..sealed.len()];
        blocks.open((&self.key, Purpose::Data), self.address, &self.sealed, sealed, whole)?;
        out.copy_from_slice(&whole[self.shown.clone()]);
        Ok(())
    }
}

impl std::fmt::Debug for Reading {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Reading")
            .field("count", &self.count)
            .finish_non_exhaustive()
    }
}
