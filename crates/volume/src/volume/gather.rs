//! Gathering: what of a file lies scattered on the host is written anew in a row, so that it is read at once; and pieces
//! of which overwrites left some blocks only come free.
//!
//! In the three steps of a large write ([`super::writing`]): what to gather is looked up, then it is read, verified,
//! sealed and written without the volume, and shown only if the file still shows what was read, to the block. Nothing of
//! a file changes by it: neither bytes, nor holes, nor times.

mod look;

use std::ops::Range;

use look::Look;

use super::Volume;
use super::reading::Reading;
use super::room::{Need, OPERATION};
use super::scattered::{Part, Why};
use super::writing::Planned;
use crate::Error;
use crate::format::BLOCK;
use crate::format::extent::Extent;
use crate::store::Buffer;

/// Rows of one part, between holes, up to which it can be gathered: they are to fit the log.
const ROWS: usize = 64;
/// A volume of which less than one block in so many is free is nearly full.
const TIGHT: u64 = 8;
/// Parts that are looked at in one step, where nobody waits for it.
const LOOKS: usize = 16;
/// Parts that are gathered for somebody who waits for space, before a checkpoint sets free what they leave.
const BATCH: usize = 16;
/// Steps for somebody who waits.
const STEPS: usize = 64;

/// A part of a file that is being gathered.
pub struct Gathering {
    part: Part,
    why: Why,
    /// What the file showed, and shows at the end if this is to count.
    extents: Vec<(u64, Extent)>,
    rows: Vec<Row>,
}

/// Blocks in a row in the file, between holes.
struct Row {
    at: u64,
    blocks: usize,
    reading: Reading,
    planned: Planned,
}

impl Gathering {
    /// Reads, seals and writes; both buffers are kept by who gathers often.
    ///
    /// # Errors
    /// Those of [`Volume::read`], and of the host; nothing of the volume has changed then.
    pub fn run(&mut self, room: &mut Buffer, scratch: &mut Buffer) -> Result<(), Error> {
        for row in &mut self.rows {
            let bytes = room.room(row.blocks * BLOCK);
            let read = row.reading.run(bytes, scratch)?;
            // What is behind a file's end, in its last block, is zeros.
            bytes[read..].fill(0);
            row.planned.run(bytes)?;
        }
        Ok(())
    }

    fn blocks(&self) -> usize {
        self.rows.iter().map(|row| row.blocks).sum()
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
        let (mut parts, mut room) = (0, Buffer::default());
        while parts < most {
            let Some(mut gathering) = self.begin_gathering(why)? else {
                break;
            };
            let mut scratch = std::mem::take(&mut self.scratch);
            let outcome = gathering.run(&mut room, &mut scratch);
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
        for _ in 0..STEPS {
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

    /// What to gather for now, if nobody waits.
    pub(crate) fn why_gather(&self) -> &'static [Why] {
        if self.available() < self.store.capacity / TIGHT {
            &[Why::Tight, Why::Reading]
        } else {
            &[Why::Reading]
        }
    }

    /// Whether something may be worth while that was not looked at.
    pub(crate) fn may_gather(&self, why: Why) -> bool {
        self.scattered.next(why).is_some()
    }

    /// The first step: `None` where nothing of what was looked at is worth while now.
    ///
    /// # Errors
    /// Those of [`Self::write`].
    pub(crate) fn begin_gathering(&mut self, why: Why) -> Result<Option<Gathering>, Error> {
        self.check_writable()?;
        let looks = match why {
            Why::Reading | Why::Tight => LOOKS,
            Why::Full | Why::Asked => usize::MAX,
        };
        for _ in 0..looks {
            let Some(part) = self.scattered.next(why) else {
                break;
            };
            let look = self.look_at(part)?;
            let mut rows = look.rows(why);
            rows.truncate(ROWS);
            let blocks = rows.iter().map(|row| row.end - row.start).sum();
            if rows.is_empty() || why == Why::Reading && !self.scattered.affords(blocks) {
                self.scattered.pass(part, why);
                continue;
            }
            let begun = match self.has_room_to_gather(blocks, why)? {
                true => self.plan_gathering((part, why), look, &rows)?,
                // With a checkpoint there is.
                false if why == Why::Full => return Ok(None),
                false => None,
            };
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

    fn plan_gathering(
        &mut self,
        (part, why): (Part, Why),
        look: Look,
        rows: &[Range<u64>],
    ) -> Result<Option<Gathering>, Error> {
        let end = rows.last().map_or(0, |row| row.end);
        if self.file(part.0)?.size.div_ceil(BLOCK as u64) < end {
            return Ok(None);
        }
        let mut gathering = Gathering {
            part,
            why,
            extents: look.extents,
            rows: Vec::with_capacity(rows.len()),
        };
        let planned = rows.iter().try_for_each(|row| {
            gathering.rows.push(self.plan_row(part.0, row)?);
            Ok(())
        });
        let runs: usize = gathering.rows.iter().map(|row| row.planned.runs()).sum();
        let better = matches!(why, Why::Tight | Why::Full) || runs as u64 * 2 <= look.runs;
        if planned.is_ok() && better {
            return Ok(Some(gathering));
        }
        self.give_up(&gathering);
        match planned {
            Err(Error::NoSpace) | Ok(()) => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn plan_row(&mut self, inode: u64, row: &Range<u64>) -> Result<Row, Error> {
        let blocks = usize::try_from(row.end - row.start).unwrap_or(usize::MAX);
        Ok(Row {
            at: row.start,
            blocks,
            reading: self.reading(inode, row.start * BLOCK as u64, blocks * BLOCK)?,
            planned: self.plan(blocks)?,
        })
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
            self.scattered.pass(gathering.part, gathering.why);
            return Err(error);
        }
        let (inode, blocks) = (gathering.part.0, gathering.blocks());
        for row in gathering.rows {
            let shown = self.show_planned(inode, row.at, row.planned);
            self.latch(shown)?;
        }
        match gathering.why {
            Why::Reading => self.scattered.gathered(gathering.part, blocks as u64),
            Why::Asked => self.scattered.gathered(gathering.part, 0),
            // Another look says whether that was all.
            Why::Tight | Why::Full => {}
        }
        Ok(true)
    }
}
