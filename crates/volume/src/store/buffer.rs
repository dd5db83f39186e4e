//! Room for sealed bytes that is kept from one call to the next, and lies where the host can read and write it directly.

use crate::format::BLOCK;

/// Bytes that begin at a block's boundary in memory.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
}

impl Buffer {
    /// Room for `length` bytes; what is in it is of no meaning.
    pub fn room(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() < length + BLOCK {
            // Nothing of the old content is needed: no copy.
            self.bytes = vec![0; length + BLOCK];
        }
        let start = self.start();
        &mut self.bytes[start..start + length]
    }

    /// The first `length` bytes of what was put there.
    pub fn held(&self, length: usize) -> &[u8] {
        &self.bytes[self.start()..self.start() + length]
    }

    fn start(&self) -> usize {
        self.bytes.as_ptr().align_offset(BLOCK).min(BLOCK)
    }
}
