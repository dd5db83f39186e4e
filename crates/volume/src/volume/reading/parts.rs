//! Reading what extents show, for who has them already.

use std::ops::Range;

use super::{Reading, Span};
use crate::Error;
use crate::format::BLOCK;
use crate::format::extent::Extent;
use crate::store::Store;

/// Some of the blocks that an extent shows.
pub struct Part {
    /// Where in the file the extent begins.
    pub at: u64,
    pub extent: Extent,
    /// Which blocks of the file.
    pub shown: Range<u64>,
}

impl Reading {
    /// Of the blocks of parts, each of which begins in the file where the one before ends.
    pub(in crate::volume) fn of(store: &mut Store, parts: &[Part]) -> Result<Self, Error> {
        let (first, last) = (parts.first(), parts.last());
        let span = Span {
            from: first.map_or(0, |part| part.shown.start) * BLOCK as u64,
            to: last.map_or(0, |part| part.shown.end) * BLOCK as u64,
        };
        let mut reading = Self {
            blocks: store.blocks(),
            count: usize::try_from(span.to - span.from).unwrap_or(usize::MAX),
            runs: Vec::new(),
            overlays: Vec::new(),
        };
        for part in parts {
            let key = store.key(part.extent.fence, part.extent.address)?;
            reading.add(&part.extent, part.at, part.shown.clone(), &span, &key);
        }
        Ok(reading)
    }
}
