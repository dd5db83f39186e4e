//! Fields of Intel's documents, each of exactly one type. What is missing, or of another type, is named.
//!
//! As the Python package reads them: fields that are not known are passed by. What only that takes is refused here: two
//! fields of one name, of which readers count the first or the last; NaN and infinity, `-0`, and `3.0` or `false` where a
//! version is asked for; and what is nested more than 128 deep.

use std::fmt;

use casemate_wire::encoding;
use serde::de::{Deserialize, Deserializer, Error as _, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

pub type Object = Map<String, Value>;
/// A value, or the name of the field that has none.
pub type Field<T> = Result<T, &'static str>;

/// The whole text is one value.
pub fn read(text: &[u8]) -> Field<Value> {
    let read: Result<Once, _> = serde_json::from_slice(text);
    read.map(|Once(value)| value).map_err(|_| "JSON")
}

/// A value in which no object has a name twice.
struct Once(Value);

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Reading).map(Self)
    }
}

struct Reading;

impl<'de> Visitor<'de> for Reading {
    type Value = Value;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("JSON")
    }

    fn visit_unit<E>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E>(self, found: bool) -> Result<Value, E> {
        Ok(Value::Bool(found))
    }

    fn visit_u64<E>(self, found: u64) -> Result<Value, E> {
        Ok(Value::Number(found.into()))
    }

    fn visit_i64<E>(self, found: i64) -> Result<Value, E> {
        Ok(Value::Number(found.into()))
    }

    fn visit_f64<E>(self, found: f64) -> Result<Value, E> {
        Ok(Number::from_f64(found).map_or(Value::Null, Value::Number))
    }

    fn visit_str<E>(self, found: &str) -> Result<Value, E> {
        Ok(Value::String(found.to_owned()))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut found = Vec::new();
        while let Some(Once(value)) = from.next_element()? {
            found.push(value);
        }
        Ok(Value::Array(found))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut from: A) -> Result<Value, A::Error> {
        let mut found = Map::new();
        while let Some((name, Once(value))) = from.next_entry::<String, _>()? {
            if found.insert(name, value).is_some() {
                return Err(A::Error::custom("a name twice"));
            }
        }
        Ok(Value::Object(found))
    }
}

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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_those_of_the_library() {
        let text = br#" {"a": [1, -1, 0.5, null, true, "x\u00e9"], "b": {"a": {}}, "c": 18446744073709551616} "#;
        assert_eq!(read(text).unwrap(), serde_json::from_slice::<Value>(text).unwrap());
    }

    #[test]
    fn what_readers_take_differently_is_none() {
        for text in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"x": [{"a": 1, "\u0061": 2}]}"#,
            "{} {}",
            "NaN",
            "1e999",
            "",
        ] {
            assert_eq!(read(text.as_bytes()), Err("JSON"), "{text}");
        }
    }
}
