use sha2::{Digest, Sha512};

/// Why evidence is made; part of the report data, so that evidence for one purpose never serves another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A workload asks for its configuration.
    Release,
    /// A TLS certificate carries the evidence.
    RaTls,
    /// A custodian shows what it is.
    Custodian,
}

impl Purpose {
    /// Its name in the report data.
    #[must_use]
    pub fn label(self) -> &'static str {
        match self {
            Self::Release => "casemate/release/v1",
            Self::RaTls => "casemate/ra-tls/v1",
            Self::Custodian => "casemate/custodian/v1",
        }
    }
}

/// Each part with its length (4 bytes, big-endian) before it, so that no two lists of parts give the same bytes.
#[must_use]
pub fn bind(parts: &[&[u8]]) -> Vec<u8> {
    let mut bound = Vec::with_capacity(parts.iter().map(|part| part.len() + 4).sum());
    for part in parts {
        // Parts are identifiers, digests and keys; none comes near 4 GiB.
        let length = u32::try_from(part.len()).unwrap_or(u32::MAX);
        bound.extend_from_slice(&length.to_be_bytes());
        bound.extend_from_slice(part);
    }
    bound
}

/// What a report is made over: spec/evidence.md, "Report data".
#[must_use]
pub fn report_data(
    purpose: Purpose,
    custodian: &[u8; 32],
    nonce: &[u8; 32],
    signing_key: &[u8; 32],
    hpke_key: &[u8; 32],
    manifest: &[u8; 32],
) -> [u8; 64] {
    let label = purpose.label().as_bytes();
    Sha512::digest(bind(&[label, custodian, nonce, signing_key, hpke_key, manifest])).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_keep_their_borders() {
        assert_ne!(bind(&[b"ab", b"c"]), bind(&[b"a", b"bc"]));
        assert_eq!(bind(&[b"ab", b""]), [0, 0, 0, 2, b'a', b'b', 0, 0, 0, 0]);
    }

    #[test]
    fn every_part_changes_the_report_data() {
        let base = report_data(Purpose::Release, &[1; 32], &[2; 32], &[3; 32], &[4; 32], &[5; 32]);
        let others = [
            report_data(Purpose::Custodian, &[1; 32], &[2; 32], &[3; 32], &[4; 32], &[5; 32]),
            report_data(Purpose::Release, &[9; 32], &[2; 32], &[3; 32], &[4; 32], &[5; 32]),
            report_data(Purpose::Release, &[1; 32], &[9; 32], &[3; 32], &[4; 32], &[5; 32]),
            report_data(Purpose::Release, &[1; 32], &[2; 32], &[9; 32], &[4; 32], &[5; 32]),
            report_data(Purpose::Release, &[1; 32], &[2; 32], &[3; 32], &[9; 32], &[5; 32]),
            report_data(Purpose::Release, &[1; 32], &[2; 32], &[3; 32], &[4; 32], &[9; 32]),
        ];
        assert!(others.iter().all(|other| *other != base));
    }
}
