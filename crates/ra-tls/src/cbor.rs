//! CBOR (RFC 8949), as much of it as evidence is made of, and one spelling only.
//!
//! Integers, byte and text strings, arrays, maps, false, true and null, all of definite length and in their shortest form;
//! no floating point, no name twice in a map, and tags only where a caller asks for them. Evidence has no need of the
//! rest, and what can be written in two ways can be understood in two.

use std::collections::BTreeMap;

use crate::Error;

const MAX_DEPTH: usize = 8;

const UNSIGNED: u8 = 0;
const NEGATIVE: u8 = 1;
const BYTES: u8 = 2;
const TEXT: u8 = 3;
const ARRAY: u8 = 4;
const MAP: u8 = 5;
const TAG: u8 = 6;
const OTHER: u8 = 7;

/// An item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value<'a> {
    Integer(i128),
    Bytes(&'a [u8]),
    Text(&'a str),
    Array(Vec<Self>),
    Map(BTreeMap<Name<'a>, Self>),
    Bool(bool),
    Null,
    /// With a tag before it.
    Tagged(u64, Box<Self>),
}

/// What an entry of a map is found by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Name<'a> {
    Integer(i128),
    Text(&'a str),
}

/// One item, and nothing behind it. `what` is for people; `tags` is whether there may be any.
///
/// # Errors
/// `evidence.cbor`.
pub fn decode<'a>(data: &'a [u8], what: &str, tags: bool) -> Result<Value<'a>, Error> {
    let mut reader = Reader { rest: data, tags };
    let value = reader.item(0).map_err(|why| refused(what, why))?;
    if !reader.rest.is_empty() {
        return Err(refused(what, "bytes behind its end"));
    }
    Ok(value)
}

/// A byte string.
pub fn bytes(data: &[u8]) -> Vec<u8> {
    [&head(BYTES, data.len()), data].concat()
}

/// A text string.
pub fn text(text: &str) -> Vec<u8> {
    [&head(TEXT, text.len()), text.as_bytes()].concat()
}

/// What stands before a string: its major type, and how long it is.
fn head(major: u8, length: usize) -> Vec<u8> {
    let length = u64::try_from(length).unwrap_or(u64::MAX);
    let [.., low] = length.to_be_bytes();
    if length < 24 {
        return vec![major << 5 | low];
    }
    let power = (0_u8..3).find(|power| length >> (8_u32 << power) == 0).unwrap_or(3);
    let mut made = vec![major << 5 | (24 + power)];
    made.extend(length.to_be_bytes().iter().skip(8 - (1 << power)));
    made
}

struct Reader<'a> {
    rest: &'a [u8],
    tags: bool,
}

impl<'a> Reader<'a> {
    fn item(&mut self, depth: usize) -> Result<Value<'a>, &'static str> {
        if depth > MAX_DEPTH {
            return Err("nested too deeply");
        }
        let (major, argument) = self.argument()?;
        Ok(match (major, argument) {
            (UNSIGNED, number) => Value::Integer(number.into()),
            (NEGATIVE, number) => Value::Integer(-1 - i128::from(number)),
            (BYTES, length) => Value::Bytes(self.take(length)?),
            (TEXT, length) => {
                let text = std::str::from_utf8(self.take(length)?);
                Value::Text(text.map_err(|_| "text that is not UTF-8")?)
            }
            // However many it says: each takes a byte at least, or there is an end to it.
            (ARRAY, count) => Value::Array((0..count).map(|_| self.item(depth + 1)).collect::<Result<_, _>>()?),
            (MAP, count) => Value::Map(self.map(count, depth)?),
            (TAG, tag) if self.tags => Value::Tagged(tag, Box::new(self.item(depth + 1)?)),
            (OTHER, 20) => Value::Bool(false),
            (OTHER, 21) => Value::Bool(true),
            (OTHER, 22) => Value::Null,
            _ => return Err("a tag, a float or something else that evidence does not use"),
        })
    }

    fn map(&mut self, count: u64, depth: usize) -> Result<BTreeMap<Name<'a>, Value<'a>>, &'static str> {
        let mut found = BTreeMap::new();
        for _ in 0..count {
            let name = match self.item(depth + 1)? {
                Value::Integer(number) => Name::Integer(number),
                Value::Text(text) => Name::Text(text),
                _ => return Err("a name that is none"),
            };
            let value = self.item(depth + 1)?;
            if found.insert(name, value).is_some() {
                return Err("a name that comes twice");
            }
        }
        Ok(found)
    }

    fn argument(&mut self) -> Result<(u8, u64), &'static str> {
        let first = self.take(1)?.first().copied().unwrap_or_default();
        let (major, short) = (first >> 5, first & 31);
        if short < 24 {
            return Ok((major, short.into()));
        }
        if short > 27 || major == OTHER {
            return Err("an indefinite length, or a float");
        }
        let size = 1_u64 << (short - 24);
        let number = self.take(size)?;
        let argument = number.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte));
        let least = if size == 1 { 24 } else { 1 << (4 * size) };
        if argument < least {
            return Err("a number that is longer than it must be");
        }
        Ok((major, argument))
    }

    fn take(&mut self, length: u64) -> Result<&'a [u8], &'static str> {
        let length = usize::try_from(length).map_err(|_| CUT_OFF)?;
        let (found, rest) = self.rest.split_at_checked(length).ok_or(CUT_OFF)?;
        self.rest = rest;
        Ok(found)
    }
}

const CUT_OFF: &str = "cut off";

fn refused(what: &str, why: &str) -> Error {
    Error::new("evidence.cbor", format!("{what} cannot be read: {why}"))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, proptest};

    use super::*;

    fn read(data: &[u8]) -> Option<Value<'_>> {
        decode(data, "it", false).ok()
    }

    #[test]
    fn items_are_read() {
        let map = BTreeMap::from([
            (Name::Integer(-1), Value::Bytes(b"x")),
            (Name::Text("a"), Value::Array(vec![Value::Null, Value::Bool(true)])),
        ]);
        for (data, wanted) in [
            (&b"\x17"[..], Value::Integer(23)),
            (b"\x18\x18", Value::Integer(24)),
            (b"\x1b\xff\xff\xff\xff\xff\xff\xff\xff", Value::Integer(u64::MAX.into())),
            (b"\x38\x22", Value::Integer(-35)),
            (
                b"\x3b\xff\xff\xff\xff\xff\xff\xff\xff",
                Value::Integer(-1 - i128::from(u64::MAX)),
            ),
            (b"\xf4", Value::Bool(false)),
            (b"\xa2\x61a\x82\xf6\xf5\x20\x41x", Value::Map(map)),
        ] {
            assert_eq!(read(data), Some(wanted), "{data:02x?}");
        }
        let tagged = Value::Tagged(24, Box::new(Value::Bytes(b"")));
        assert_eq!(decode(b"\xd8\x18\x40", "it", true), Ok(tagged));
    }

    #[test]
    fn other_spellings_and_kinds_are_refused() {
        for data in [
            &b""[..],
            b"\x18\x17",
            b"\x19\0\xff",
            b"\x1a\0\0\xff\xff",
            b"\x1b\0\0\0\0\xff\xff\xff\xff",
            b"\x1c",
            b"\x5f\x41x\xff",
            b"\x42x",
            b"\x61\xff",
            b"\x9f\xff",
            b"\x9b\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xbb\xff\xff\xff\xff\xff\xff\xff\xff",
            b"\xa1\x40\x01",
            b"\xa1\xf5\x01",
            b"\xa2\x01\x01\x01\x02",
            b"\xa2\x61a\x01\x61a\x01",
            b"\xc0\x40",
            b"\xf7",
            b"\xf8\x20",
            b"\xf9\x3c\0",
            b"\xfb\0\0\0\0\0\0\0\0",
            b"\x01\x01",
        ] {
            let refused = decode(data, "it", false).unwrap_err();
            assert_eq!(refused.step, "evidence.cbor", "{data:02x?}");
        }
    }

    #[test]
    fn nesting_has_an_end() {
        let nested = |depth: usize| [vec![0x81; depth], vec![0x01]].concat();
        assert!(read(&nested(MAX_DEPTH)).is_some());
        assert!(read(&nested(MAX_DEPTH + 1)).is_none());
        let tagged = |depth: usize| [vec![0xc1; depth], vec![0x01]].concat();
        assert!(decode(&tagged(MAX_DEPTH), "it", true).is_ok());
        assert!(decode(&tagged(MAX_DEPTH + 1), "it", true).is_err());
    }

    #[test]
    fn strings_are_written_as_they_are_read() {
        for length in [0, 23, 24, 255, 256, 65_535, 65_536] {
            let data = vec![b'x'; length];
            let written = bytes(&data);
            assert_eq!(read(&written), Some(Value::Bytes(&data)), "{length}");
            let word = "x".repeat(length);
            let written = text(&word);
            assert_eq!(read(&written), Some(Value::Text(&word)), "{length}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_bytes_are_an_item_or_refused(data in prop::collection::vec(any::<u8>(), 0..100)) {
            let _ = decode(&data, "it", true);
        }
    }
}
