//! Room for sealed bytes that is kept from one call to the next, and lies where the host can read and write it directly.

use casemate_sys::prefer_large_pages;

use crate::format::BLOCK;

/// Bytes of a large page (x86-64 and arm64). In one piece of memory, a request to a disk is one piece: in pages of 4 KiB
/// it is hundreds, and took three times as long where that was measured.
const LARGE_PAGE: usize = 2 << 20;
/// From so many bytes on, room lies in large pages.
const LARGE: usize = 256 * 1024;

/// Bytes that begin at a block's boundary in memory.
#[derive(Default)]
pub struct Buffer {
    bytes: Vec<u8>,
    /// Where they begin.
    start: usize,
}

impl Buffer {
    /// Room for `length` bytes; what is in it is of no meaning.
    pub fn room(&mut self, length: usize) -> &mut [u8] {
        if self.bytes.len() < self.start + length {
            // Nothing of the old content is needed: no copy.
            *self = Self::new(length);
        }
        &mut self.bytes[self.start..self.start + length]
    }

    fn new(length: usize) -> Self {
        let (aligned, whole) = match length {
            LARGE.. => (LARGE_PAGE, length.next_multiple_of(LARGE_PAGE)),
            _ => (BLOCK, length),
        };
        let mut bytes = vec![0; whole + aligned];
        let start = bytes.as_ptr().align_offset(aligned).min(aligned);
        if aligned == LARGE_PAGE {
            prefer_large_pages(&mut bytes[start..start + whole]);
        }
        Self { bytes, start }
    }

    /// The first `length` bytes of what was put there.
    pub fn held(&self, length: usize) -> &[u8] {
        &self.bytes[self.start..self.start + length]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn room_is_aligned_whatever_its_length_and_stays_where_it_is() {
        let mut buffer = Buffer::default();
        for length in [1, BLOCK, LARGE - 1, LARGE, LARGE_PAGE + 1, 3 * LARGE_PAGE] {
            let room = buffer.room(length);
            assert_eq!((room.len(), room.as_ptr().align_offset(BLOCK)), (length, 0));
            room.fill(7);
            let at = room.as_ptr();
            assert_eq!(buffer.room(length / 2).as_ptr(), at);
            assert!(buffer.held(length).iter().all(|byte| *byte == 7));
        }
    }
}
