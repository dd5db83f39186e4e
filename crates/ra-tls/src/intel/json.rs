//! Fields of Intel's documents, each of exactly one type. What is missing, or of another type, is named.
//!
//! As the Python package reads them: fields that are not known are passed by, and of two of one name the last counts.
//! What only that takes is refused here: NaN and infinity, `-0`, and `3.0` or `false` where a version is asked for.

use casemate_wire::encoding;
use serde_json::{Map, Value};

pub type Object = Map<String, Value>;
/// A value, or the name of the field that has none.
pub type Field<T> = Result<T, &'static str>;

pub fn object<'a>(value: &'a Value, name: &'static str) -> Field<&'a Object> {
    value.as_object().ok_or(name)
}

pub fn inner<'a>(from: &'a Object, name: &'static str) -> Field<&'a Object> {
    from.get(name).and_then(Value::as_object).ok_or(name)
}

/// Null is the same as nothing.
pub fn optional<'a>(from: &'a Object, name: &str) -> Option<&'a Value> {
    from.get(name).filter(|value| !value.is_null())
}

/// No longer than `most`.
pub fn list<'a>(from: &'a Object, name: &'static str, most: usize) -> Field<&'a [Value]> {
    let found = from.get(name).and_then(Value::as_array);
    found.filter(|found| found.len() <= most).map(Vec::as_slice).ok_or(name)
}

/// One that may be left out.
pub fn list_or_none<'a>(from: &'a Object, name: &'static str, most: usize) -> Field<&'a [Value]> {
    if from.contains_key(name) {
        list(from, name, most)
    } else {
        Ok(&[])
    }
}

pub fn text<'a>(from: &'a Object, name: &'static str) -> Field<&'a str> {
    from.get(name).and_then(Value::as_str).ok_or(name)
}

pub fn number<T: TryFrom<u64>>(from: &Object, name: &'static str) -> Field<T> {
    let found = from.get(name).and_then(Value::as_u64);
    found.and_then(|found| T::try_from(found).ok()).ok_or(name)
}

/// The one number that it may be.
pub fn exactly(from: &Object, name: &'static str, wanted: u64) -> Field<()> {
    let found: u64 = number(from, name)?;
    if found == wanted { Ok(()) } else { Err(name) }
}

/// Unix seconds.
pub fn time(from: &Object, name: &'static str) -> Field<i64> {
    encoding::time(text(from, name)?).ok_or(name)
}

/// `N` bytes in hexadecimal, in either case.
pub fn bytes<const N: usize>(from: &Object, name: &'static str) -> Field<[u8; N]> {
    from_hex(text(from, name)?.as_bytes()).ok_or(name)
}

/// `N` bytes of `2 * N` digits.
pub fn from_hex<const N: usize>(digits: &[u8]) -> Option<[u8; N]> {
    let mut found = [0; N];
    if digits.len() != 2 * N {
        return None;
    }
    for (byte, pair) in found.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = pair.iter().try_fold(0, |sum, digit| Some(sum << 4 | nibble(*digit)?))?;
    }
    Some(found)
}

fn nibble(digit: u8) -> Option<u8> {
    char::from(digit)
        .to_digit(16)
        .and_then(|digit| u8::try_from(digit).ok())
}
