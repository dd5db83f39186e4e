//! Certificates in PEM among other text, as vendors publish them.

const BEGIN: &[u8] = b"-----BEGIN ";
const DASHES: &[u8] = b"-----";
const CERTIFICATE: &[u8] = b"CERTIFICATE";
const LONGEST_LABEL: usize = 32;

/// The certificates in `data` (RFC 7468), with their frames, as far as each block has an end.
///
/// In one pass: who sends beginnings without ends makes nobody search the rest for each of them.
pub fn certificates(data: &[u8]) -> Vec<&[u8]> {
    let mut found = Vec::new();
    let mut rest = data;
    while let Some(start) = place(rest, BEGIN) {
        let block = &rest[start..];
        let label = label(&block[BEGIN.len()..]);
        let ending = [b"-----END ", label, DASHES].concat();
        let Some(end) = place(block, &ending) else { break };
        let (whole, behind) = block.split_at(end + ending.len());
        if label == CERTIFICATE {
            found.push(whole);
        }
        rest = behind;
    }
    found
}

fn label(behind: &[u8]) -> &[u8] {
    let text = &behind[..behind.len().min(LONGEST_LABEL)];
    place(text, DASHES).map_or(text, |end| &text[..end])
}

fn place(text: &[u8], wanted: &[u8]) -> Option<usize> {
    text.windows(wanted.len()).position(|part| part == wanted)
}

#[cfg(test)]
mod tests {
    use super::*;

    const WHOLE: &[u8] = b"-----BEGIN CERTIFICATE-----\nAA\n-----END CERTIFICATE-----";

    #[test]
    fn certificates_stand_among_anything() {
        let key = b"-----BEGIN KEY-----\nAA\n-----END KEY-----";
        let text = [b"text ", WHOLE, b"\n", key, WHOLE, b"-----BEGIN CERTIFICATE-----\nAA"].concat();
        assert_eq!(certificates(&text), [WHOLE, WHOLE]);
        assert!(certificates(b"").is_empty());
    }

    #[test]
    fn beginnings_without_ends_cost_no_more_than_their_length() {
        let many = b"-----BEGIN CERTIFICATE-----".repeat(400_000);
        assert_eq!(certificates(&[WHOLE, &many].concat()), [WHOLE]);
        assert!(certificates(&b"-----BEGIN X-----".repeat(400_000)).is_empty());
    }
}
