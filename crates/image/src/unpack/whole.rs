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

    /// What all that was read hashes to.
    pub fn digest(self) -> [u8; 32] {
        let mut digest = [0; 32];
        digest.copy_from_slice(self.hash.finish().as_ref());
        digest
    }
}

impl<R: Read> Read for Whole<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.from.read(buffer)?;
        self.hash.update(&buffer[..count]);
        Ok(count)
    }
}

/// Reads on to the end; whether there were no more bytes than `limit`.
pub fn ends_within(mut from: impl Read, limit: u64) -> io::Result<bool> {
    let mut room = vec![0; BUFFER];
    let mut left = limit;
    loop {
        let count = from.read(&mut room)?;
        if count == 0 {
            return Ok(true);
        }
        let Some(less) = left.checked_sub(count as u64) else {
            return Ok(false);
        };
        left = less;
    }
}
