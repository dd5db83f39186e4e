//! What lies in a cache of endorsements: whether an entry is what its name says, which is looked at before it is passed on.
//! Nothing is believed of it.

use serde_json::Value;

use casemate_wire::encoding::time;

use crate::x509::Certificate;
use crate::{pem, revocation};

/// Revocation lists of Intel's platforms are the largest, at some ten KiB.
pub const MAX_ENTRY_BYTES: usize = 256 * 1024;

const DOCUMENTS: [&str; 2] = ["tcbInfo", "enclaveIdentity"];

/// What a name says of an entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// One in DER, or several in PEM.
    Certificates,
    /// In DER.
    List,
    /// JSON beside its signature.
    Document,
}

impl Kind {
    pub fn of(name: &str) -> Self {
        if name.ends_with(".json") {
            Self::Document
        } else if name.ends_with("crl.der") {
            Self::List
        } else {
            Self::Certificates
        }
    }

    /// Whether these bytes are an entry of this kind.
    pub fn holds(self, data: &[u8]) -> bool {
        data.len() <= MAX_ENTRY_BYTES
            && match self {
                Self::Certificates => certificates(data).is_some(),
                Self::List => revocation::is_list(data),
                Self::Document => is_document(data).is_some(),
            }
    }
}

/// All that are in an entry; None where one of them is none.
pub fn certificates(data: &[u8]) -> Option<Vec<Certificate>> {
    let blocks = pem::certificates(data);
    let parts = if blocks.is_empty() { vec![data] } else { blocks };
    parts
        .into_iter()
        .map(|part| Certificate::parse(part, "certificate").ok())
        .collect()
}

/// TCB info or enclave identity (Intel, "API Documentation", PCS version 4).
fn is_document(data: &[u8]) -> Option<()> {
    let value: Value = serde_json::from_slice(data).ok()?;
    let content = DOCUMENTS.iter().find_map(|kind| value.get(kind))?;
    for name in ["issueDate", "nextUpdate"] {
        time(content.get(name)?.as_str()?)?;
    }
    content.get("tcbEvaluationDataNumber")?.as_u64()?;
    content.get("id")?.as_str().map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_say_what_entries_are() {
        for (name, kind) in [
            ("amd/milan/crl.der", Kind::List),
            ("intel/root-crl.der", Kind::List),
            ("amd/milan/vcek/aa/00-00.der", Kind::Certificates),
            ("amd/milan/vcek-chain.pem", Kind::Certificates),
            ("intel/tdx-identity.json", Kind::Document),
        ] {
            assert_eq!(Kind::of(name), kind, "{name}");
        }
    }

    #[test]
    fn what_is_no_endorsement_is_none() {
        for (kind, data) in [
            (Kind::List, &b""[..]),
            (Kind::Certificates, b""),
            (Kind::Certificates, b"-----BEGIN CERTIFICATE-----"),
            (Kind::Document, b"{}"),
            (Kind::Document, b"[\"tcbInfo\"]"),
            (Kind::Document, b"\xff"),
            (Kind::Document, br#"{"tcbInfo":{"id":"TDX"}}"#),
        ] {
            assert!(!kind.holds(data), "{kind:?} {data:?}");
        }
        let document = |number: &str| {
            format!(
                r#"{{"enclaveIdentity":{{"id":"TD_QE","issueDate":"2026-01-01T00:00:00Z","nextUpdate":"2026-02-01T00:00:00Z","tcbEvaluationDataNumber":{number}}}}}"#
            )
        };
        assert!(Kind::Document.holds(document("17").as_bytes()));
        assert!(!Kind::Document.holds(document("null").as_bytes()));
        let large = [document("17").into_bytes(), vec![b' '; MAX_ENTRY_BYTES]].concat();
        assert!(!Kind::Document.holds(&large));
    }
}
