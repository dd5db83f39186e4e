//! Text forms of spec/protocol.md, "Words and encodings".

use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use serde::Serialize;
use serde::de::DeserializeOwned;
use sha2::{Digest, Sha256};

const DAY: i64 = 24 * 60 * 60;

/// base64url without padding (RFC 4648, section 5).
#[must_use]
pub fn b64u(bytes: &[u8]) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// What `b64u` spells so; `None` for any other spelling.
#[must_use]
pub fn from_b64u(text: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text).ok()
}

/// base64 with padding.
#[must_use]
pub fn b64(bytes: &[u8]) -> String {
    STANDARD.encode(bytes)
}

/// What `b64` spells so; `None` for any other spelling.
#[must_use]
pub fn from_b64(text: &str) -> Option<Vec<u8>> {
    STANDARD.decode(text).ok()
}

/// SHA-256.
#[must_use]
pub fn sha256(bytes: &[u8]) -> [u8; 32] {
    Sha256::digest(bytes).into()
}

/// 32 bytes of `sha256:` and 64 lower-case hex digits.
#[must_use]
pub fn digest(text: &str) -> Option<[u8; 32]> {
    let hex = text.strip_prefix("sha256:").filter(|hex| hex.len() == 64)?.as_bytes();
    let mut bytes = [0; 32];
    for (byte, pair) in bytes.iter_mut().zip(hex.chunks_exact(2)) {
        *byte = nibble(pair[0])? << 4 | nibble(pair[1])?;
    }
    Some(bytes)
}

/// The text of a digest.
#[must_use]
pub fn digest_text(digest: &[u8; 32]) -> String {
    let hex = digest.iter().fold(String::with_capacity(64), |mut hex, byte| {
        for nibble in [byte >> 4, byte & 15] {
            hex.push(char::from_digit(u32::from(nibble), 16).unwrap_or_default());
        }
        hex
    });
    format!("sha256:{hex}")
}

/// 32 bytes of `ed25519:…` or `x25519:…`.
#[must_use]
pub fn key(text: &str, kind: &str) -> Option<[u8; 32]> {
    from_b64u(text.strip_prefix(kind)?.strip_prefix(':')?)?.try_into().ok()
}

/// Whether `bytes` are JSON in the one spelling of RFC 8785. Only for records whose names are ASCII: others would have to
/// be sorted by UTF-16.
#[must_use]
pub fn is_canonical(bytes: &[u8]) -> bool {
    let value = serde_json::from_slice::<serde_json::Value>(bytes);
    value
        .and_then(|value| serde_json::to_vec(&value))
        .is_ok_and(|spelled| spelled == bytes)
}

/// A record of which `bytes` are the one spelling: RFC 8785, and [`plain`].
#[must_use]
pub fn exact<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<T> {
    plain(bytes).filter(|_| is_canonical(bytes))
}

/// A record that says what `bytes` say: the same JSON comes of it when it is written again. Readers that serde derives
/// take a list for an object, and an object for a word; this takes neither.
#[must_use]
pub fn plain<T: DeserializeOwned + Serialize>(bytes: &[u8]) -> Option<T> {
    let record: T = serde_json::from_slice(bytes).ok()?;
    let said: serde_json::Value = serde_json::from_slice(bytes).ok()?;
    serde_json::to_value(&record)
        .is_ok_and(|again| again == said)
        .then_some(record)
}

/// Seconds since 1970 of `2026-11-23T08:15:00Z`.
#[must_use]
pub fn time(text: &str) -> Option<i64> {
    let bytes = text.as_bytes();
    let form = [(4, b'-'), (7, b'-'), (10, b'T'), (13, b':'), (16, b':'), (19, b'Z')];
    if bytes.len() != 20 || form.iter().any(|(at, mark)| bytes[*at] != *mark) {
        return None;
    }
    let number = |from: usize, to: usize| -> Option<i64> {
        let digits = &bytes[from..to];
        digits
            .iter()
            .all(u8::is_ascii_digit)
            .then(|| digits.iter().fold(0, |sum, digit| sum * 10 + i64::from(digit - b'0')))
    };
    let (year, month, day) = (number(0, 4)?, number(5, 7)?, number(8, 10)?);
    let (hour, minute, second) = (number(11, 13)?, number(14, 16)?, number(17, 19)?);
    let valid = (1970..=9999).contains(&year)
        && (1..=12).contains(&month)
        && (1..=days_of_month(year, month)).contains(&day)
        && hour < 24
        && minute < 60
        && second < 60;
    valid.then(|| ((days_before(year, month, day) * 24 + hour) * 60 + minute) * 60 + second)
}

/// The year, and `MMDDhhmmss`, of seconds since 1970; `None` outside of the years that [`time`] reads.
pub(crate) fn civil(seconds: i64) -> Option<(i64, String)> {
    (seconds >= 0).then_some(())?;
    let (days, rest) = (seconds / DAY, seconds % DAY);
    // As if every year were the longest: that one, or a few before it.
    let year = (1970 + days / 366..=9999).find(|year| days < days_before(year + 1, 1, 1))?;
    let month = (1..=12).rev().find(|month| days_before(year, *month, 1) <= days)?;
    let day = days - days_before(year, month, 1) + 1;
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    Some((year, format!("{month:02}{day:02}{hour:02}{minute:02}{second:02}")))
}

fn is_leap(year: i64) -> bool {
    year % 4 == 0 && (year % 100 != 0 || year % 400 == 0)
}

fn days_of_month(year: i64, month: i64) -> i64 {
    match month {
        2 => 28 + i64::from(is_leap(year)),
        4 | 6 | 9 | 11 => 30,
        _ => 31,
    }
}

fn days_before(year: i64, month: i64, day: i64) -> i64 {
    let years = year - 1;
    let leaps = |year: i64| year / 4 - year / 100 + year / 400;
    let before_year = (year - 1970) * 365 + leaps(years) - leaps(1969);
    (1..month).map(|month| days_of_month(year, month)).sum::<i64>() + before_year + day - 1
}

fn nibble(character: u8) -> Option<u8> {
    match character {
        b'0'..=b'9' => Some(character - b'0'),
        b'a'..=b'f' => Some(character - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[derive(Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
    enum Word {
        #[serde(rename = "a-b")]
        One,
    }

    #[derive(Debug, PartialEq, Eq, serde::Deserialize, Serialize)]
    #[serde(deny_unknown_fields)]
    struct Record {
        word: Word,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        number: Option<u8>,
        inner: Option<Box<Record>>,
    }

    #[test]
    fn an_exact_record_has_one_spelling() {
        let right = br#"{"inner":{"inner":null,"word":"a-b"},"number":1,"word":"a-b"}"#;
        assert!(exact::<Record>(right).is_some());
        for wrong in [
            r#"["a-b",1,null]"#,
            r#"{"inner":["a-b",1,null],"word":"a-b"}"#,
            r#"{"inner":null,"word":{"a-b":null}}"#,
            r#"{"inner":null,"number":null,"word":"a-b"}"#,
            r#"{"word":"a-b","inner":null}"#,
            r#"{"inner":null,"word":"a-b"} "#,
            r#"{"word":"a-b"}"#,
        ] {
            assert!(serde_json::from_str::<Record>(wrong).is_ok(), "{wrong}");
            assert!(exact::<Record>(wrong.as_bytes()).is_none(), "{wrong}");
        }
    }

    #[test]
    fn times_are_seconds_since_1970() {
        assert_eq!(time("1970-01-01T00:00:00Z"), Some(0));
        assert_eq!(time("2000-02-29T12:34:56Z"), Some(951_827_696));
        assert_eq!(time("2026-11-23T08:15:00Z"), Some(1_795_421_700));
    }

    #[test]
    fn what_is_not_a_time_is_refused() {
        for text in [
            "2026-02-29T00:00:00Z",
            "2026-13-01T00:00:00Z",
            "2026-11-23T24:00:00Z",
            "2026-11-23 08:15:00Z",
            "2026-11-23T08:15:00+00:00",
            "2026-11-23T08:15:0aZ",
            "",
        ] {
            assert_eq!(time(text), None, "{text}");
        }
    }

    #[test]
    fn digests_and_keys_have_one_spelling() {
        let text = format!("sha256:{}", "0a".repeat(32));
        assert_eq!(digest(&text), Some([10; 32]));
        assert_eq!(digest_text(&[10; 32]), text);
        assert_eq!(digest(&text.to_uppercase()), None);
        assert_eq!(digest(&text[..70]), None);
        assert_eq!(key(&format!("ed25519:{}", b64u(&[1; 32])), "ed25519"), Some([1; 32]));
        assert_eq!(key(&format!("ed25519:{}", b64u(&[1; 31])), "ed25519"), None);
        assert_eq!(key(&format!("x25519:{}", b64u(&[1; 32])), "ed25519"), None);
    }
}
