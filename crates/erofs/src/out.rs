//! Where a file system is written.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::FileExt;

use crate::BLOCK;

/// Takes a file system from its first byte to its last, much of it in small parts, and the first block again at the end.
pub trait Out: Write {
    /// The next bytes that are written, so many of them, lie in what the content came from as well, from there on: see
    /// [`crate::Writer::content_that_lies`]. Behind them come others that do, or zeros to the end of their block.
    fn also_lies(&mut self, _at: u64, _length: usize) {}

    /// The first block, in place of the zeros that were written for it.
    ///
    /// # Errors
    /// Those of writing.
    fn first_block(&mut self, block: &[u8; BLOCK]) -> io::Result<()>;
}

/// In which nothing is yet.
impl Out for File {
    fn first_block(&mut self, block: &[u8; BLOCK]) -> io::Result<()> {
        self.write_all_at(block, 0)
    }
}

/// In which nothing is yet.
impl Out for Vec<u8> {
    fn first_block(&mut self, block: &[u8; BLOCK]) -> io::Result<()> {
        self[..BLOCK].copy_from_slice(block);
        Ok(())
    }
}
