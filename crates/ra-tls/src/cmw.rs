//! Conceptual message wrappers (RFC 9999), as much of them as a certificate of ours has: one record of CBOR, of definite
//! lengths in their shortest form, with a media type and without indicator bits (spec/ra-tls.md).

use crate::Error;

const STEP_CMW: &str = "evidence.cmw";
const STEP_CBOR: &str = "evidence.cbor";
const STEP_TYPE: &str = "ra_tls.type";

const UNSIGNED: u8 = 0;
const BYTES: u8 = 2;
const TEXT: u8 = 3;

/// The bytes of the one record in `value`, which is of type `wanted`.
///
/// # Errors
/// `evidence.cmw` for what is no wrapper, `evidence.cbor` for what is not spelled so, `ra_tls.type` for another one.
pub fn record<'a>(value: &'a [u8], wanted: &str) -> Result<&'a [u8], Error> {
    let rest = match value.first() {
        Some(0x82) => &value[1..],
        // A record with indicators, a collection, a tag: wrappers, and none of ours.
        Some(0x83 | 0xa1..=0xb8 | 0xda) => return Err(other("a wrapper of another kind", wanted)),
        _ => return Err(Error::new(STEP_CMW, "what the certificate carries is no wrapper")),
    };
    let (kind, rest) = item(rest)?;
    let (content, rest) = item(rest)?;
    if !rest.is_empty() {
        return Err(Error::new(STEP_CBOR, "the wrapper has bytes behind its end"));
    }
    let Item::Bytes(bytes) = content else {
        return Err(Error::new(STEP_CMW, "a record of CBOR is a type and bytes"));
    };
    match kind {
        Item::Text(name) if name == wanted => Ok(bytes),
        Item::Text(name) => Err(other(name, wanted)),
        Item::Number => Err(other("a content format", wanted)),
        Item::Bytes(_) => Err(Error::new(STEP_CMW, "a record of CBOR is a type and bytes")),
    }
}

enum Item<'a> {
    Number,
    Bytes(&'a [u8]),
    Text(&'a str),
}

/// The next item, and what is behind it.
fn item(data: &[u8]) -> Result<(Item<'_>, &[u8]), Error> {
    let cut = || Error::new(STEP_CBOR, "the wrapper is cut off");
    let (&first, rest) = data.split_first().ok_or_else(cut)?;
    let (major, short) = (first >> 5, first & 31);
    let size = match short {
        0..=23 => 0,
        24..=27 => 1_usize << (short - 24),
        _ => return Err(Error::new(STEP_CBOR, "the wrapper has an indefinite length")),
    };
    let (head, rest) = rest.split_at_checked(size).ok_or_else(cut)?;
    let long = head.iter().fold(0_u64, |length, byte| length << 8 | u64::from(*byte));
    let least = match size {
        0 => 0,
        1 => 24,
        _ => 1 << (4 * size),
    };
    let argument = if size == 0 { u64::from(short) } else { long };
    if argument < least {
        return Err(Error::new(
            STEP_CBOR,
            "the wrapper has a number that is longer than it must be",
        ));
    }
    if major == UNSIGNED {
        return Ok((Item::Number, rest));
    }
    if major != BYTES && major != TEXT {
        return Err(Error::new(STEP_CMW, "a record of CBOR is a type and bytes"));
    }
    let length = usize::try_from(argument).map_err(|_| cut())?;
    let (content, rest) = rest.split_at_checked(length).ok_or_else(cut)?;
    if major == BYTES {
        return Ok((Item::Bytes(content), rest));
    }
    let text = std::str::from_utf8(content).map_err(|_| Error::new(STEP_CBOR, "the wrapper has text that is none"))?;
    Ok((Item::Text(text), rest))
}

fn other(got: &str, wanted: &str) -> Error {
    Error::new(STEP_TYPE, "the certificate carries evidence that is not ours")
        .expected(wanted)
        .got(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WANTED: &str = "a/b";

    fn step(value: &[u8]) -> &'static str {
        record(value, WANTED).unwrap_err().step
    }

    #[test]
    fn a_record_of_the_type_gives_its_bytes() {
        assert_eq!(record(b"\x82\x63a/b\x42xy", WANTED).unwrap(), b"xy");
        let mut long = b"\x82\x63a/b\x58\x18".to_vec();
        long.extend([7; 24]);
        assert_eq!(record(&long, WANTED).unwrap(), [7; 24]);
    }

    #[test]
    fn every_other_spelling_and_kind_is_refused() {
        for (value, expected) in [
            (&b""[..], STEP_CMW),
            (b"[\"a/b\",\"eHk\"]", STEP_CMW),
            (b"\x82\x42xy\x42xy", STEP_CMW),
            (b"\x82\x63a/b\x62xy", STEP_CMW),
            (b"\x82\x63a/b\x82", STEP_CMW),
            (b"\x82", STEP_CBOR),
            (b"\x82\x63a/b", STEP_CBOR),
            (b"\x82\x63a/b\x43xy", STEP_CBOR),
            (b"\x82\x63a/b\x42xy\0", STEP_CBOR),
            (b"\x82\x63a/b\x58\x02xy", STEP_CBOR),
            (b"\x82\x63a/b\x59\0\x02xy", STEP_CBOR),
            (b"\x82\x63a/b\x5f\x42xy\xff", STEP_CBOR),
            (b"\x82\x63a/b\x5b\xff\xff\xff\xff\xff\xff\xff\xff", STEP_CBOR),
            (b"\x82\x63a/\xff\x42xy", STEP_CBOR),
            (b"\x82\x63a/c\x42xy", STEP_TYPE),
            (b"\x82\x07\x42xy", STEP_TYPE),
            (b"\x83\x63a/b\x42xy\x04", STEP_TYPE),
            (b"\xa1\x61a\x82\x63a/b\x42xy", STEP_TYPE),
        ] {
            assert_eq!(step(value), expected, "{value:02x?}");
        }
    }
}
