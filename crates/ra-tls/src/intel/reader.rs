//! Bytes of a quote, one part after the other; the first thing that does not fit is named.

use crate::Error;
use crate::expectations::hex;

const STEP: &str = "evidence.quote";
/// Of what does not belong there: so many bytes are shown.
const SHOWN: usize = 16;

/// Numbers are little-endian. `what` is for people.
pub struct Reader<'a> {
    rest: &'a [u8],
    what: &'static str,
}

impl<'a> Reader<'a> {
    pub fn new(data: &'a [u8], what: &'static str) -> Self {
        Self { rest: data, what }
    }

    pub fn take(&mut self, count: usize, what: &str) -> Result<&'a [u8], Error> {
        let Some((part, rest)) = self.rest.split_at_checked(count) else {
            return Err(malformed(&format!("{} ends in its {what}", self.what))
                .expected(format!("{count} bytes"))
                .got(self.rest.len().to_string()));
        };
        self.rest = rest;
        Ok(part)
    }

    pub fn array<const N: usize>(&mut self, what: &str) -> Result<[u8; N], Error> {
        let mut found = [0; N];
        found.copy_from_slice(self.take(N, what)?);
        Ok(found)
    }

    pub fn u16(&mut self, what: &str) -> Result<u16, Error> {
        self.array(what).map(u16::from_le_bytes)
    }

    pub fn u32(&mut self, what: &str) -> Result<u32, Error> {
        self.array(what).map(u32::from_le_bytes)
    }

    /// What begins with its length, of 4 bytes.
    pub fn sized(&mut self, what: &str) -> Result<&'a [u8], Error> {
        let count = self.u32(&format!("length of {what}"))?;
        // What does not fit into the machine's words does not fit into a quote either.
        self.take(usize::try_from(count).unwrap_or(usize::MAX), what)
    }

    /// Reserved bytes: what a later version puts there is not silently ignored.
    pub fn zeros(&mut self, count: usize, what: &str) -> Result<(), Error> {
        let part = self.take(count, what)?;
        if part.iter().any(|byte| *byte != 0) {
            return Err(malformed(&format!("{what} of {} is not zero", self.what))
                .expected("zeros")
                .got(hex(part)));
        }
        Ok(())
    }

    /// How much was not taken yet.
    pub fn left(&self) -> usize {
        self.rest.len()
    }

    pub fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() {
            return Ok(());
        }
        let shown = &self.rest[..self.rest.len().min(SHOWN)];
        Err(malformed(&format!("{} has more in it than it should", self.what))
            .expected("its end")
            .got(hex(shown)))
    }
}

pub fn malformed(why: &str) -> Error {
    Error::new(STEP, format!("no quote that is understood: {why}"))
}
