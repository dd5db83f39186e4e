//! Text form of SHA-256 digests: `sha256:` and 64 lower-case hexadecimal digits (spec/protocol.md).

use std::fmt::Write;

const PREFIX: &str = "sha256:";

/// The 32 bytes, `None` for any other spelling.
#[must_use]
pub fn parse(text: &str) -> Option<[u8; 32]> {
    let digits = text.strip_prefix(PREFIX)?.as_bytes();
    let mut bytes = [0; 32];
    if digits.len() != 2 * bytes.len() {
        return None;
    }
    for (byte, pair) in bytes.iter_mut().zip(digits.chunks_exact(2)) {
        *byte = (nibble(pair[0])? << 4) | nibble(pair[1])?;
    }
    Some(bytes)
}

/// The text of `digest`.
#[must_use]
pub fn text(digest: &[u8; 32]) -> String {
    digest.iter().fold(String::from(PREFIX), |mut text, byte| {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn nibble(digit: u8) -> Option<u8> {
    match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_canonical_spelling_is_read() {
        let digest = [0xa5; 32];
        assert_eq!(parse(&text(&digest)), Some(digest));
        for wrong in [
            "sha256:",
            &text(&digest).to_uppercase(),
            &text(&digest)[1..],
            &format!("{}0", text(&digest)),
        ] {
            assert_eq!(parse(wrong), None, "{wrong}");
        }
    }
}
