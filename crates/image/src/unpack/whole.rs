//! An archive to its very end, and what all of it hashes to: what an image's configuration calls `diff_id`.

use std::io::{self, Read};

use aws_lc_rs::digest::{Context, SHA256};

/// Bytes behind an archive's end that are read at once.
const BUFFER: usize = 256 * 1024;

/// Hashes what is read.
pub struct Whole<R> {
    from: R,
    hash: Context,
}

impl<R: Read> Whole<R> {
    pub fn new(from: R) -> Self {
        Self {
            from,
            hash: Context::new(&SHA256),
        }
    }

    /// Reads on to the end; the hash of everything, or nothing where more than `limit` bytes were left.
    pub fn end(mut self, limit: u64) -> io::Result<Option<[u8; 32]>> {
        let mut room = vec![0; BUFFER];
        let mut left = limit;
        loop {
            let count = self.read(&mut room)?;
            if count == 0 {
                break;
            }
            let Some(less) = left.checked_sub(count as u64) else {
                return Ok(None);
            };
            left = less;
        }
        let mut digest = [0; 32];
        digest.copy_from_slice(self.hash.finish().as_ref());
        Ok(Some(digest))
    }
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}
