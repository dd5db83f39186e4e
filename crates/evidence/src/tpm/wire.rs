//! Numbers and sized buffers as TPM commands have them: big-endian (TCG TPM 2.0 Library, part 1, "Structures").

use crate::Error;

/// Writes parts one after the other.
#[derive(Clone, Debug, Default)]
pub(super) struct Writer(pub Vec<u8>);

impl Writer {
    pub fn u8(mut self, value: u8) -> Self {
        self.0.push(value);
        self
    }

    pub fn u16(mut self, value: u16) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn u32(mut self, value: u32) -> Self {
        self.0.extend_from_slice(&value.to_be_bytes());
        self
    }

    pub fn bytes(mut self, bytes: &[u8]) -> Self {
        self.0.extend_from_slice(bytes);
        self
    }

    /// A TPM2B: its size in two bytes, then `bytes`. Nothing that is written here comes near 64 KiB.
    pub fn sized(self, bytes: &[u8]) -> Self {
        self.u16(u16::try_from(bytes.len()).unwrap_or(u16::MAX)).bytes(bytes)
    }
}

/// Reads parts one after the other.
#[derive(Clone, Copy, Debug)]
pub(super) struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn take(&mut self, count: usize) -> Result<&'a [u8], Error> {
        let (taken, rest) = self
            .0
            .split_at_checked(count)
            .ok_or(Error::Malformed("an answer of a TPM that ends early"))?;
        self.0 = rest;
        Ok(taken)
    }

    fn array<const N: usize>(&mut self) -> Result<[u8; N], Error> {
        let mut value = [0; N];
        value.copy_from_slice(self.take(N)?);
        Ok(value)
    }

    pub fn u8(&mut self) -> Result<u8, Error> {
        self.array().map(|[byte]: [u8; 1]| byte)
    }

    pub fn u16(&mut self) -> Result<u16, Error> {
        self.array().map(u16::from_be_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Error> {
        self.array().map(u32::from_be_bytes)
    }

    /// The content of a TPM2B.
    pub fn sized(&mut self) -> Result<&'a [u8], Error> {
        let size = self.u16()?;
        self.take(usize::from(size))
    }

    /// Nothing may be left.
    pub fn end(self) -> Result<(), Error> {
        if self.0.is_empty() {
            Ok(())
        } else {
            Err(Error::Malformed("an answer of a TPM with more behind it"))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_is_read() {
        let written = Writer::default().u8(1).u16(2).u32(3).sized(b"ab").bytes(b"c").0;
        assert_eq!(written, [1, 0, 2, 0, 0, 0, 3, 0, 2, b'a', b'b', b'c']);
        let mut reader = Reader(&written);
        assert_eq!(
            (reader.u8().unwrap(), reader.u16().unwrap(), reader.u32().unwrap()),
            (1, 2, 3)
        );
        assert_eq!(reader.sized().unwrap(), b"ab");
        assert!(reader.end().is_err());
        assert_eq!(reader.take(1).unwrap(), b"c");
        assert!(reader.end().is_ok() && reader.u8().is_err());
        assert!(Reader(&[0, 2, 1]).sized().is_err());
    }
}
