//! A quote's signatures: the machine's key signed the quoting enclave's report, which names the key of the quote.

use casemate_wire::encoding::sha256;

use super::chain::{PckChain, verified_chain};
use super::quote::{PCK_CHAIN, Quote};
use super::reader::malformed;
use super::reports::EnclaveReport;
use super::signing::Point;
use crate::Error;
use crate::expectations::is_expected;
use crate::x509::Certificate;

/// The format and Intel's quote verification library (`QeAuthData::insert`) know any length, 0 among them. Intel's
/// quoting enclaves, of SGX and of TDX, write this one and no other, and nobody else's vouch: so a quote has no room
/// for what nobody looks at. Quotes of other lengths can be read, and do not verify.
const AUTHENTICATION_BYTES: usize = 32;

const QE_SIGNATURE: &str = "evidence.qe_signature";

/// `point` signs quotes.
pub struct QuotingEnclave {
    pub report: EnclaveReport,
    pub point: Point,
}

/// `evidence.pck` where the quote brings no certificates.
pub fn pck_chain(quote: &Quote<'_>, root: &Certificate) -> Result<PckChain, Error> {
    let attested = &quote.attested;
    if attested.certification_type != PCK_CHAIN {
        return Err(Error::new(
            "evidence.pck",
            "the quote does not bring the certificates of its machine",
        )
        .expected(format!("certification data of type {PCK_CHAIN}"))
        .got(format!("type {}", attested.certification_type)));
    }
    verified_chain(attested.certification, root)
}

/// The one whose key signs this quote, as the machine vouches for it.
pub fn quoting_enclave(quote: &Quote<'_>, chain: &PckChain) -> Result<QuotingEnclave, Error> {
    let attested = &quote.attested;
    if attested.authentication.len() != AUTHENTICATION_BYTES {
        return Err(malformed("authentication data of another length")
            .expected(AUTHENTICATION_BYTES.to_string())
            .got(attested.authentication.len().to_string()));
    }
    if !chain.point.signed(attested.qe_report, attested.qe_signature) {
        return Err(unsigned("the machine did not sign the quoting enclave's report"));
    }
    let report = EnclaveReport::parse(attested.qe_report, "the quoting enclave's report")?;
    let mut held = [0; 64];
    held[..32].copy_from_slice(&sha256(&[&attested.point, attested.authentication].concat()));
    if !is_expected(&held, &report.report_data) {
        return Err(unsigned("the quoting enclave does not hold this quote's key"));
    }
    let point = Point::of(&attested.point).ok_or_else(|| unsigned("the quote's key is no point of the curve"))?;
    Ok(QuotingEnclave { report, point })
}

/// `evidence.signature` where another key signed the quote.
pub fn check_quote(quote: &Quote<'_>, enclave: &QuotingEnclave) -> Result<(), Error> {
    if enclave.point.signed(quote.signed, quote.attested.signature) {
        return Ok(());
    }
    let reason = "the quote is not signed by its quoting enclave's key: it was changed on its way";
    Err(Error::new("evidence.signature", reason))
}

fn unsigned(reason: &str) -> Error {
    Error::new(QE_SIGNATURE, reason)
}
