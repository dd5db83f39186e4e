//! Gathering: what of a file lies scattered on the host is written anew in a row, so that it is read at once; and pieces
//! of which overwrites left some blocks only come free.
//!
//! In the three steps of a large write ([`super::writing`]): what to gather is looked up, then it is read, verified,
//! sealed and written without the volume, and shown only if the file still shows what was read, to the block. Nothing of
//! a file changes by it: neither bytes, nor holes, nor times.

mod look;

use look::Look;

use super::Volume;
use super::reading::Reading;
use super::room::{Need, OPERATION};
use super::scattered::{PART, Part, Why};
use super::writing::Planned;
use crate::Error;
use crate::format::BLOCK;
use crate::format::extent::Extent;
use crate::store::Buffer;

/// Rows of one part, between holes, up to which it can be gathered: they are to fit the log.
const ROWS: usize = 64;
/// Of what is free, the part below which the volume is nearly full.
const TIGHT: u64 = 8;
/// Parts that are gathered for somebody who waits for space, before a checkpoint sets free what they leave.
const BATCH: usize = 16;
/// Steps of a survey for somebody who waits.
const LOOKS: usize = 64;

/// A part of a file that is being gathered.
pub struct Gathering {
    part: Part,
    why: Why,
    /// What the file showed, and shows at the end if this is to count.
    extents: Vec<(u64, Extent)>,
    reading: Reading,
    rows: Vec<Row>,
}

/// Blocks in a row in the file, between holes.
struct Row {
    at: u64,
    blocks: u64,
    planned: Planned,
}

impl Gathering {
    /// Reads, seals and writes.
    ///
    /// # Errors
    /// Those of [`Volume::read`], and of the host; nothing of the volume has changed then.
    pub fn run(&mut self, scratch: &mut Buffer) -> Result<(), Error> {
        let first = self.part.1 * PART;
        let mut room = Buffer::default();
        let bytes = room.room(PART as usize * BLOCK);
        let read = self.reading.run(bytes, scratch)?;
        // What is behind a file's end, in its last block, is zeros.
        bytes[read..].fill(0);
        for row in &mut self.rows {
            let from = (row.at - first) as usize * BLOCK;
            row.planned.run(&mut bytes[from..from + row.blocks as usize * BLOCK])?;
        }
        Ok(())
    }
}

impl Volume {
    /// Gathers all that lies scattered, whatever it costs, what waits in memory included; how many parts that were.
    ///
    /// # Errors
    /// Those of [`Self::read`] and [`Self::write`].
    pub fn gather(&mut self) -> Result<usize, Error> {
        self.admit(Need::OPERATION)?;
        let placed = self.flush_files();
        self.latch(placed)?;
        while self.survey()? {}
        self.gather_parts(Why::Asked, usize::MAX)
    }

    fn gather_parts(&mut self, why: Why, most: usize) -> Result<usize, Error> {
        let mut parts = 0;
        while parts < most {
            let Some(mut gathering) = self.begin_gathering(why)? else {
                break;
            };
            let mut scratch = std::mem::take(&mut self.scratch);
            let outcome = gathering.run(&mut scratch);
            self.scratch = scratch;
            parts += usize::from(self.gathered(gathering, outcome)?);
        }
        Ok(parts)
    }

    /// For somebody who found the volume full: sets free what overwrites left half used. Whether that changed anything.
    pub(super) fn reclaim(&mut self) -> Result<bool, Error> {
        if self.unfinished {
            // Files of a copy that is under way may be shorter than what is behind them: nothing of it is moved.
            return Ok(false);
        }
        for _ in 0..LOOKS {
            let parts = self.gather_parts(Why::Full, BATCH)?;
            if parts > 0 {
                self.checkpoint()?;
                return Ok(true);
            }
            if !self.survey()? && self.scattered.next(Why::Full).is_none() {
                break;
            }
        }
        Ok(false)
    }

    /// Why there is something to gather now, if nobody waits.
    pub(crate) fn why_gather(&self) -> Why {
        if self.available() < self.store.capacity / TIGHT {
            Why::Tight
        } else {
            Why::Reading
        }
    }

    /// Nothing is worth while now: looks for more, and where all is known, a round is over.
    ///
    /// # Errors
    /// Those of [`Self::read`].
    pub(crate) fn look_further(&mut self) -> Result<bool, Error> {
        let more = self.survey()?;
        if !more {
            self.scattered.turn();
        }
        Ok(more)
    }

    /// The first step: `None` where nothing is worth while now.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub(crate) fn begin_gathering(&mut self, why: Why) -> Result<Option<Gathering>, Error> {
        self.check_writable()?;
        while let Some(part) = self.scattered.next(why) {
            let look = self.look_at(part)?;
            if !look.is_worth(why) || why == Why::Reading && !self.scattered.affords(look.blocks) {
                self.scattered.pass(part, why);
                continue;
            }
            if !self.has_room_to_gather(look.blocks, why)? {
                return Ok(None);
            }
            let begun = self.plan_gathering(part, why, look)?;
            if begun.is_some() {
                return Ok(begun);
            }
            self.scattered.pass(part, why);
        }
        Ok(None)
    }

    fn has_room_to_gather(&mut self, pages: u64, why: Why) -> Result<bool, Error> {
        self.spill_log()?;
        self.room_in_log(OPERATION)?;
        Ok(match why {
            Why::Tight | Why::Full => self.has_space_to_reclaim(pages),
            Why::Reading | Why::Asked => self.has_space(Need {
                log: OPERATION,
                pages,
                frees: false,
            }),
        })
    }

    fn plan_gathering(&mut self, part: Part, why: Why, look: Look) -> Result<Option<Gathering>, Error> {
        let (inode, first) = (part.0, part.1 * PART);
        let spans = look.rows();
        let end = spans.last().map_or(first, |row| row.end);
        let length = (end - first) as usize * BLOCK;
        if spans.len() > ROWS || self.file(inode)?.size.div_ceil(BLOCK as u64) < end {
            return Ok(None);
        }
        let reading = self.reading(inode, first * BLOCK as u64, length)?;
        let mut gathering = Gathering {
            part,
            why,
            extents: look.extents,
            reading,
            rows: Vec::with_capacity(spans.len()),
        };
        for span in spans {
            match self.plan((span.end - span.start) as usize) {
                Ok(planned) => gathering.rows.push(Row {
                    at: span.start,
                    blocks: span.end - span.start,
                    planned,
                }),
                Err(error) => {
                    self.give_up(&gathering);
                    return if matches!(error, Error::NoSpace) {
                        Ok(None)
                    } else {
                        Err(error)
                    };
                }
            }
        }
        let runs = gathering.rows.iter().map(|row| row.planned.runs() as u64).sum::<u64>();
        if matches!(why, Why::Reading | Why::Asked) && runs * 2 > look.runs {
            // Free space is no better.
            self.give_up(&gathering);
            return Ok(None);
        }
        Ok(Some(gathering))
    }

    fn give_up(&mut self, gathering: &Gathering) {
        for row in &gathering.rows {
            self.give_back(&row.planned);
        }
    }

    /// The last step; whether the file shows it now.
    ///
    /// # Errors
    /// The outcome's, unless the file changed meanwhile, and those of [`Self::write`].
    pub(crate) fn gathered(&mut self, gathering: Gathering, outcome: Result<(), Error>) -> Result<bool, Error> {
        self.check_writable()?;
        let look = self.look_at(gathering.part)?;
        if look.extents != gathering.extents {
            self.give_up(&gathering);
            return Ok(false);
        }
        if let Err(error) = outcome {
            self.give_up(&gathering);
            self.scattered.pass(gathering.part, Why::Full);
            return Err(error);
        }
        let inode = gathering.part.0;
        for row in gathering.rows {
            let shown = self.show_planned(inode, row.at, row.planned);
            self.latch(shown)?;
        }
        let paid = if gathering.why == Why::Reading { look.blocks } else { 0 };
        self.scattered.gathered(gathering.part, paid);
        Ok(true)
    }
}
