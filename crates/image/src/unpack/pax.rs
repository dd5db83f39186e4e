//! Extended headers (POSIX.1-2017, pax, "pax Extended Header"): records of a length, a keyword and a value. The length
//! counts, not the end of a line: values hold any byte.

use std::collections::BTreeMap;

use super::Reason;

/// Keywords and their values.
pub type Extended = BTreeMap<Vec<u8>, Vec<u8>>;

/// Reads all records.
pub fn parse(bytes: &[u8]) -> Result<Extended, Reason> {
    let mut extended = Extended::new();
    let mut rest = bytes;
    while !rest.is_empty() {
        let (record, behind) = record(rest).ok_or(Reason::Number("extended header"))?;
        let (keyword, value) = split(record, b'=').ok_or(Reason::Number("extended header"))?;
        if extended.insert(keyword.to_vec(), value.to_vec()).is_some() {
            return Err(Reason::Twice(String::from_utf8_lossy(keyword).into_owned()));
        }
        rest = behind;
    }
    Ok(extended)
}

/// The first record without its length and its end of line, and what is behind it.
fn record(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, _) = split(bytes, b' ')?;
    let (record, behind) = bytes.split_at_checked(number(length)?)?;
    let record = record.get(length.len() + 1..)?;
    Some((record.strip_suffix(b"\n")?, behind))
}

fn split(bytes: &[u8], by: u8) -> Option<(&[u8], &[u8])> {
    let at = bytes.iter().position(|byte| *byte == by)?;
    Some((&bytes[..at], &bytes[at + 1..]))
}

/// A number in decimal digits, and nothing else: no sign, no space.
pub fn number<N: std::str::FromStr>(digits: &[u8]) -> Option<N> {
    if !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    std::str::from_utf8(digits).ok()?.parse().ok()
}
