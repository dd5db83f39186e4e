//! Where a platform keeps the digest of the manifest that a domain was started for.

use std::fmt::Write as _;
use std::ops::Range;

use crate::{Error, Evidence};

/// Size of an SEV-SNP attestation report (firmware ABI, table ATTESTATION_REPORT), and where HOST_DATA lies in it.
const REPORT_BYTES: usize = 1184;
const HOST_DATA: Range<usize> = 0xC0..0xE0;
/// Where MRCONFIGID lies in the body of a TDX quote, and where that begins: after the header, and from version 5 on
/// after type and size of the body (Intel TDX DCAP Quoting Library API, appendix 3).
const MR_CONFIG_ID: Range<usize> = 184..232;
const BODY: usize = 48;
const BODY_OF_VERSION_5: usize = 54;

/// What a platform bound to the domain that asked it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Binding {
    /// The manifest that was asked about.
    This,
    /// Something else; what, for people.
    Another(String),
}

impl Binding {
    /// Of registers that hold a digest.
    pub(crate) fn of(held: &[u8], expected: &[u8]) -> Self {
        if held == expected {
            return Self::This;
        }
        let digits = held.iter().fold(String::new(), |mut text, byte| {
            // Writing to a String cannot fail.
            let _ = write!(text, "{byte:02x}");
            text
        });
        Self::Another(digits)
    }
}

/// Reads HOST_DATA of an SEV-SNP report.
///
/// # Errors
/// [`Error::Malformed`] when this is none.
pub fn host_data(evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error> {
    if evidence.report.len() != REPORT_BYTES {
        return Err(Error::Malformed("a report of the wrong size"));
    }
    Ok(match Binding::of(&evidence.report[HOST_DATA], manifest) {
        Binding::Another(digits) => Binding::Another(format!("sha256:{digits}")),
        Binding::This => Binding::This,
    })
}

/// Reads MRCONFIGID of a TDX quote: the digest, and zeros behind it.
///
/// # Errors
/// [`Error::Malformed`] when this is none.
pub fn mr_config_id(evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error> {
    let quote = &evidence.report;
    let begin = match quote.get(..2) {
        Some([4, 0]) => BODY,
        Some([5, 0]) => BODY_OF_VERSION_5,
        _ => return Err(Error::Malformed("a quote of an unknown version")),
    };
    let held = quote.get(begin + MR_CONFIG_ID.start..begin + MR_CONFIG_ID.end);
    let held = held.ok_or(Error::Malformed("a quote that is too short"))?;
    let mut expected = [0; 48];
    expected[..32].copy_from_slice(manifest);
    Ok(Binding::of(held, &expected))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Format;

    #[test]
    fn host_data_is_read_from_a_report_of_the_right_size_only() {
        let mut report = vec![0; REPORT_BYTES];
        report[0xC0..0xE0].fill(7);
        let evidence = Evidence::of(Format::SevSnp, report);
        assert_eq!(host_data(&evidence, &[7; 32]).unwrap(), Binding::This);
        let another = Binding::Another(format!("sha256:{}", "07".repeat(32)));
        assert_eq!(host_data(&evidence, &[8; 32]).unwrap(), another);
        let short = Evidence::of(Format::SevSnp, vec![0; REPORT_BYTES - 1]);
        assert!(host_data(&short, &[0; 32]).is_err());
    }

    #[test]
    fn the_configuration_of_a_quote_is_the_digest_and_zeros() {
        for (version, begin) in [(4, 48), (5, 54)] {
            let mut quote = vec![0; begin + 584];
            quote[0] = version;
            quote[begin + 184..begin + 216].fill(7);
            let evidence = Evidence::of(Format::Tdx, quote.clone());
            assert_eq!(mr_config_id(&evidence, &[7; 32]).unwrap(), Binding::This);
            assert!(matches!(
                mr_config_id(&evidence, &[8; 32]).unwrap(),
                Binding::Another(_)
            ));
            quote[begin + 231] = 1;
            let longer = Evidence::of(Format::Tdx, quote.clone());
            assert!(matches!(mr_config_id(&longer, &[7; 32]).unwrap(), Binding::Another(_)));
            let short = Evidence::of(Format::Tdx, quote[..begin + 231].to_vec());
            assert!(mr_config_id(&short, &[7; 32]).is_err());
        }
        assert!(mr_config_id(&Evidence::of(Format::Tdx, vec![3, 0]), &[7; 32]).is_err());
    }
}
