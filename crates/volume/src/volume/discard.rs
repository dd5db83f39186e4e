//! Giving free space back to the host.

use super::Volume;
use crate::format::BLOCK;
use crate::space::IDLE;
use crate::store::Blocks;

/// Space that the host is about to take back: nobody writes it meanwhile.
pub struct Idle {
    blocks: Blocks,
    addresses: Vec<u64>,
}

impl Idle {
    /// Tells the host. Where it cannot, the space stays taken, and nothing else is lost.
    pub fn discard(&self) {
        for address in &self.addresses {
            let _ = self.blocks.discard(*address, IDLE as usize * BLOCK);
        }
    }
}

impl Volume {
    /// Free space that nobody took for a while, or at the `end` of a mount any. `None` where there is none.
    pub(crate) fn take_idle(&mut self, end: bool) -> Option<Idle> {
        let addresses = self.space.take_idle(end);
        (!addresses.is_empty()).then(|| Idle {
            blocks: self.store.blocks(),
            addresses,
        })
    }

    /// The host took it back.
    pub(crate) fn give_idle_back(&mut self, idle: &Idle) {
        let count = u32::try_from(IDLE).unwrap_or(0);
        idle.addresses
            .iter()
            .for_each(|address| self.space.give_back(*address, count));
    }
}
