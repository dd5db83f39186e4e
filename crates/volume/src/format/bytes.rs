//! Reading and writing little-endian fields.

use super::Malformed;

/// Takes fields from the front of a slice.
#[derive(Debug)]
pub struct Reader<'a>(pub &'a [u8]);

impl<'a> Reader<'a> {
    pub fn bytes(&mut self, count: usize) -> Result<&'a [u8], Malformed> {
        let (head, tail) = self.0.split_at_checked(count).ok_or(Malformed("it ends early"))?;
        self.0 = tail;
        Ok(head)
    }

    pub fn array<const N: usize>(&mut self) -> Result<[u8; N], Malformed> {
        self.bytes(N)?.try_into().map_err(|_| Malformed("it ends early"))
    }

    pub fn u8(&mut self) -> Result<u8, Malformed> {
        Ok(self.array::<1>()?[0])
    }

    pub fn u16(&mut self) -> Result<u16, Malformed> {
        self.array().map(u16::from_le_bytes)
    }

    pub fn u32(&mut self) -> Result<u32, Malformed> {
        self.array().map(u32::from_le_bytes)
    }

    pub fn u64(&mut self) -> Result<u64, Malformed> {
        self.array().map(u64::from_le_bytes)
    }

    pub fn i64(&mut self) -> Result<i64, Malformed> {
        self.array().map(i64::from_le_bytes)
    }

    /// The rest is zeros: room that a later version may give a meaning.
    pub fn zeros(self) -> Result<(), Malformed> {
        check(self.0.iter().all(|byte| *byte == 0), "a reserved byte is set")
    }

    /// Nothing is left.
    pub fn end(self) -> Result<(), Malformed> {
        check(self.0.is_empty(), "it is too long")
    }
}

/// `Err` with the reason unless `good`.
pub fn check(good: bool, reason: &'static str) -> Result<(), Malformed> {
    if good { Ok(()) } else { Err(Malformed(reason)) }
}

/// Appends fields.
pub trait Put {
    fn put(&mut self, bytes: &[u8]) -> &mut Self;

    fn put_u8(&mut self, value: u8) -> &mut Self {
        self.put(&[value])
    }

    fn put_u16(&mut self, value: u16) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn put_u32(&mut self, value: u32) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn put_u64(&mut self, value: u64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }

    fn put_i64(&mut self, value: i64) -> &mut Self {
        self.put(&value.to_le_bytes())
    }
}

impl Put for Vec<u8> {
    fn put(&mut self, bytes: &[u8]) -> &mut Self {
        self.extend_from_slice(bytes);
        self
    }
}

/// A length that the format bounds well below the type's range.
pub fn short<T: TryFrom<usize> + Default>(length: usize) -> T {
    debug_assert!(T::try_from(length).is_ok(), "every encoder is given bounded lengths");
    T::try_from(length).unwrap_or_default()
}
