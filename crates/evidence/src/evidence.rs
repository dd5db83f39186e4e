//! What a platform says, with what a verifier needs besides (spec/evidence.md, "Wire form").

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Which platform's words a report is in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// ATTESTATION_REPORT of SEV-SNP.
    SevSnp,
    /// A quote of TDX.
    Tdx,
    /// An attestation document of the Nitro Security Module.
    Nitro,
    /// A quote of a TPM, with its key and its registers.
    Tpm,
}

impl Format {
    /// Its name in the wire form.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Self::SevSnp => "sev-snp-report",
            Self::Tdx => "tdx-quote",
            Self::Nitro => "nitro-document",
            Self::Tpm => "tpm-quote",
        }
    }
}

/// A report and its endorsements. Public: it holds no secret.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Evidence {
    /// What the report is.
    pub format: Format,
    /// The report as the platform signed it.
    pub report: Vec<u8>,
    /// What was extended into its registers, where that is known.
    pub log: Option<Vec<u8>>,
    /// Certificate table of the GHCB specification for SEV-SNP, else PEM.
    pub certificates: Vec<u8>,
    /// Revocation lists, DER.
    pub crls: Vec<Vec<u8>>,
    /// What the vendor signed besides, as it came.
    pub documents: Vec<Vec<u8>>,
}

impl Evidence {
    /// A report alone.
    #[must_use]
    pub fn of(format: Format, report: Vec<u8>) -> Self {
        Self {
            format,
            report,
            log: None,
            certificates: Vec::new(),
            crls: Vec::new(),
            documents: Vec::new(),
        }
    }

    /// The field `evidence` of the wire form.
    #[must_use]
    pub fn evidence_json(&self) -> Value {
        let mut fields = json!({"format": self.format.name(), "report": b64u(&self.report)});
        if let Some(log) = &self.log {
            fields["log"] = b64u(log);
        }
        fields
    }

    /// The field `endorsements` of the wire form.
    #[must_use]
    pub fn endorsements_json(&self) -> Value {
        let all = |parts: &[Vec<u8>]| -> Value { parts.iter().map(|part| b64u(part)).collect() };
        let mut fields = json!({"certificates": b64u(&self.certificates), "crls": all(&self.crls)});
        if !self.documents.is_empty() {
            fields["documents"] = all(&self.documents);
        }
        fields
    }
}

fn b64u(bytes: &[u8]) -> Value {
    Value::String(URL_SAFE_NO_PAD.encode(bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_and_documents_are_left_out_where_there_are_none() {
        let mut evidence = Evidence::of(Format::Tpm, vec![1, 2]);
        assert_eq!(
            evidence.evidence_json(),
            json!({"format": "tpm-quote", "report": "AQI"})
        );
        assert_eq!(evidence.endorsements_json(), json!({"certificates": "", "crls": []}));
        evidence.log = Some(vec![3]);
        evidence.documents = vec![vec![4]];
        evidence.crls = vec![vec![5]];
        assert_eq!(evidence.evidence_json()["log"], "Aw");
        assert_eq!(
            evidence.endorsements_json(),
            json!({"certificates": "", "crls": ["BQ"], "documents": ["BA"]})
        );
    }
}
