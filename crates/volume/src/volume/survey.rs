//! Looking through all extents for parts of files that lie scattered: once a mount, a little at a time. What was written
//! in small parts before this mount is found so.

use super::Volume;
use super::scattered::{PART, Part, RUNS};
use crate::Error;
use crate::format::BLOCK;
use crate::format::extent::Extent;
use crate::format::key::{Key, Kind};

/// Extents that one step looks at.
const STEP: usize = 2048;

/// Where it stands.
pub struct Survey {
    next: Option<Key>,
}

impl Survey {
    pub fn new() -> Self {
        Self {
            next: Some(Key::new(Kind::Extent, 0, 0)),
        }
    }

    pub fn is_over(&self) -> bool {
        self.next.is_none()
    }
}

/// What a part looked like so far.
struct Look {
    part: Part,
    runs: u32,
    /// Some sealed blocks are not shown any more.
    waste: bool,
    /// Address that would go on in the same run.
    follows: u64,
}

impl Look {
    fn new(part: Part) -> Self {
        Self {
            part,
            runs: 0,
            waste: false,
            follows: u64::MAX,
        }
    }

    fn add(&mut self, extent: &Extent) {
        let address = extent.address + u64::from(extent.start);
        self.runs += u32::from(address != self.follows);
        self.waste |= extent.count < extent.blocks;
        self.follows = address + u64::from(extent.count);
    }
}

impl Volume {
    /// Looks at some extents; whether there are more.
    pub(super) fn survey(&mut self) -> Result<bool, Error> {
        if self.survey.is_over() && self.scattered.take_missed() {
            self.survey = Survey::new();
        }
        let Some(mut from) = self.survey.next else {
            return Ok(false);
        };
        let mut look: Option<Look> = None;
        for seen in 0.. {
            let found = self.tree.next(&mut self.store, from)?;
            let Some((key, value)) = found.filter(|(key, _)| key.kind == Kind::Extent) else {
                self.survey.next = None;
                break;
            };
            let part = (key.inode, key.offset / BLOCK as u64 / PART);
            if look.as_ref().is_none_or(|look| look.part != part) {
                self.take_in(look.replace(Look::new(part)));
                // The next step begins with a whole part.
                if seen >= STEP {
                    self.survey.next = Some(key);
                    return Ok(true);
                }
            }
            let extent = Extent::decode(&value, self.store.roots);
            let extent = extent.map_err(|malformed| Error::malformed(malformed, "the tree"))?;
            look.iter_mut().for_each(|look| look.add(&extent));
            from = Key::new(Kind::Extent, key.inode, key.offset.saturating_add(1));
        }
        self.take_in(look);
        Ok(false)
    }

    fn take_in(&mut self, look: Option<Look>) {
        if let Some(look) = look.filter(|look| look.runs >= RUNS || look.waste) {
            self.scattered.found(look.part, look.runs);
        }
    }
}
