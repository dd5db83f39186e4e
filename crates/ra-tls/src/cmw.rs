//! Conceptual message wrappers (RFC 9999), as much of them as a certificate of ours has: one record of CBOR, of definite
//! lengths in their shortest form, with a media type and without indicator bits (spec/ra-tls.md).

use crate::Error;
use crate::cbor::{Value, decode};

const STEP_CMW: &str = "evidence.cmw";
const STEP_TYPE: &str = "ra_tls.type";

/// The bytes of the one record in `value`, which is of type `wanted`.
///
/// # Errors
/// `evidence.cmw` for what is no wrapper, `evidence.cbor` for what is not spelled so, `ra_tls.type` for another one.
pub fn record<'a>(value: &'a [u8], wanted: &str) -> Result<&'a [u8], Error> {
    if !matches!(value.first(), Some(0x82 | 0x83 | 0xa1..=0xb8 | 0xda)) {
        return Err(Error::new(STEP_CMW, "what the certificate carries is no wrapper"));
    }
    let Value::Array(parts) = decode(value, "the wrapper", true)? else {
        // A collection, a tag: wrappers, and none of ours.
        return Err(other("a wrapper of another kind", wanted));
    };
    match parts.as_slice() {
        [Value::Text(name), Value::Bytes(bytes)] if *name == wanted => Ok(bytes),
        [Value::Text(name), Value::Bytes(_)] => Err(other(name, wanted)),
        [Value::Integer(_), Value::Bytes(_)] => Err(other("a content format", wanted)),
        [Value::Text(_) | Value::Integer(_), Value::Bytes(_), _] => Err(other("a record with indicators", wanted)),
        _ => Err(Error::new(STEP_CMW, "a record of CBOR is a type and bytes")),
    }
}

fn other(got: &str, wanted: &str) -> Error {
    Error::new(STEP_TYPE, "the certificate carries evidence that is not ours")
        .expected(wanted)
        .got(got)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STEP_CBOR: &str = "evidence.cbor";
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
            (b"\x82\x63a/b\x80", STEP_CMW),
            (b"\x82\x63a/b\x82", STEP_CBOR),
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
