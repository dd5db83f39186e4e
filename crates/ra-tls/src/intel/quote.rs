//! Quotes: bytes into structs. Version 3 is of SGX; 4 and 5 are of SGX or TDX, as their header says, 5 also of TDX 1.5.
//!
//! Sources: Intel SGX ECDSA QuoteLibReference DCAP API, appendix A (version 3); Intel TDX DCAP Quoting Library API,
//! appendix A.3 (version 4) and A.4 (version 5: table "TD Quote Body Descriptor"). How environment and type of body
//! must fit together is Intel's quote verification library's (`Quote::parse`, `Quote::validate`).
//!
//! Quotes are handed out in buffers that may be longer than they are: what follows one must be zeros, and nothing else
//! is unauthenticated in it.

use std::fmt;

use super::reader::{Reader, malformed};
use super::reports::{ENCLAVE_REPORT_BYTES, EnclaveReport, TD_REPORT_10_BYTES, TD_REPORT_15_BYTES, TdReport};
use crate::Error;
use crate::expectations::hex;

/// Real ones are about 5,000 bytes, in buffers of up to 16 KiB.
const MAX_QUOTE_BYTES: usize = 64 * 1024;

const SGX_TYPE: u32 = 0;
const TDX_TYPE: u32 = 0x81;

/// Certification data: PCK certificate, its authority and the root, in PEM. Others name the key and do not bring it.
pub const PCK_CHAIN: u16 = 5;
/// Certification data of version 4 and 5: the quoting enclave's report, with certification data of its own.
const QE_REPORT: u16 = 6;
const ECDSA_P256: u16 = 2;
const INTEL_QE: [u8; 16] = [
    0x93, 0x9a, 0x72, 0x33, 0xf7, 0x9c, 0x4c, 0xa9, 0x94, 0x0a, 0x0d, 0xb3, 0x95, 0x7f, 0x06, 0x07,
];
const USER_DATA_BYTES: usize = 20;
const SIGNATURE_BYTES: usize = 64;
const KEY_BYTES: usize = 64;

/// What vouches for a quote. `signature` is r ‖ s over it, by the key of `point` (x ‖ y). The quoting enclave's report
/// holds the hash of that and of `authentication`; `qe_signature` over the report is by the machine's PCK, of which
/// `certification` tells, in the form that `certification_type` says.
pub struct Attested<'a> {
    pub signature: &'a [u8],
    pub point: [u8; KEY_BYTES],
    pub qe_report: &'a [u8],
    pub qe_signature: &'a [u8],
    pub authentication: &'a [u8],
    pub certification_type: u16,
    pub certification: &'a [u8],
}

/// What a quote is about.
pub enum Body {
    Sgx(Box<EnclaveReport>),
    Tdx(Box<TdReport>),
}

/// What a quote says; nothing of it is believed before its signatures verified. `signed` are the bytes under the
/// signature.
pub struct Quote<'a> {
    pub body: Body,
    pub attested: Attested<'a>,
    pub signed: &'a [u8],
}

impl<'a> Quote<'a> {
    /// `evidence.quote` with what is not understood.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        if data.len() > MAX_QUOTE_BYTES {
            return Err(malformed("it is too large")
                .expected(format!("at most {MAX_QUOTE_BYTES} bytes"))
                .got(data.len().to_string()));
        }
        let mut reader = Reader::new(data, "the quote");
        let (version, tee_type) = header(&mut reader)?;
        let size = body_size(&mut reader, version, tee_type)?;
        let body = reader.take(size, "body")?;
        let signed = &data[..data.len() - reader.left()];
        let attested = attested(reader.sized("signature")?, version)?;
        reader.zeros(reader.left(), "what follows the end")?;
        let body = if tee_type == SGX_TYPE {
            Body::Sgx(Box::new(EnclaveReport::parse(body, "the enclave's report")?))
        } else {
            Body::Tdx(Box::new(TdReport::parse(body)?))
        };
        Ok(Self { body, attested, signed })
    }
}

impl Body {
    /// For people.
    pub fn name(&self) -> &'static str {
        match self {
            Self::Sgx(_) => "an SGX enclave",
            Self::Tdx(_) => "a TDX domain",
        }
    }
}

impl fmt::Debug for Quote<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.debug_struct("Quote").field("of", &self.body.name()).finish()
    }
}

/// Version and environment. Security versions of QE and PCE (version 3 only) are told better elsewhere.
fn header(reader: &mut Reader<'_>) -> Result<(u16, u32), Error> {
    let version = reader.u16("version")?;
    if ![3, 4, 5].contains(&version) {
        return Err(malformed("another version")
            .expected("3, 4 or 5")
            .got(version.to_string()));
    }
    let key_type = reader.u16("type of key")?;
    if key_type != ECDSA_P256 {
        return Err(malformed("another type of key")
            .expected("2 (ECDSA P-256)")
            .got(key_type.to_string()));
    }
    let tee_type = reader.u32("type")?;
    if tee_type != SGX_TYPE && (version == 3 || tee_type != TDX_TYPE) {
        return Err(malformed("another type of environment")
            .expected("SGX, or TDX in versions 4 and 5")
            .got(format!("{tee_type:#x}")));
    }
    if version == 3 {
        reader.take(4, "security versions")?;
    } else {
        reader.zeros(4, "reserved field of the header")?;
    }
    let vendor: [u8; 16] = reader.array("vendor")?;
    if vendor != INTEL_QE {
        return Err(malformed("a quoting enclave that is not Intel's")
            .expected(hex(&INTEL_QE))
            .got(hex(&vendor)));
    }
    reader.take(USER_DATA_BYTES, "user data")?;
    Ok((version, tee_type))
}

fn body_size(reader: &mut Reader<'_>, version: u16, tee_type: u32) -> Result<usize, Error> {
    if version < 5 {
        return Ok(if tee_type == SGX_TYPE {
            ENCLAVE_REPORT_BYTES
        } else {
            TD_REPORT_10_BYTES
        });
    }
    let (kind, said) = (reader.u16("type of body")?, reader.u32("size of body")?);
    let size = match (tee_type, kind) {
        (SGX_TYPE, 1) => Some(ENCLAVE_REPORT_BYTES),
        (TDX_TYPE, 2) => Some(TD_REPORT_10_BYTES),
        (TDX_TYPE, 3) => Some(TD_REPORT_15_BYTES),
        _ => None,
    };
    size.filter(|size| usize::try_from(said) == Ok(*size)).ok_or_else(|| {
        malformed("a body that is not of its environment")
            .expected(if tee_type == SGX_TYPE {
                "an SGX report"
            } else {
                "a TD report 1.0 or 1.5"
            })
            .got(format!("type {kind} of {said} bytes"))
    })
}

fn attested(data: &[u8], version: u16) -> Result<Attested<'_>, Error> {
    let mut reader = Reader::new(data, "the signature");
    let signature = reader.take(SIGNATURE_BYTES, "signature")?;
    let point = reader.array("key")?;
    if version > 3 {
        let kind = reader.u16("type of certification")?;
        if kind != QE_REPORT {
            return Err(malformed("no report of the quoting enclave")
                .expected(QE_REPORT.to_string())
                .got(kind.to_string()));
        }
        let inner = reader.sized("certification")?;
        reader.end()?;
        reader = Reader::new(inner, "the certification");
    }
    let qe_report = reader.take(ENCLAVE_REPORT_BYTES, "QE report")?;
    let qe_signature = reader.take(SIGNATURE_BYTES, "signature")?;
    let length = reader.u16("length of authentication data")?;
    let authentication = reader.take(usize::from(length), "authentication data")?;
    let certification_type = reader.u16("type of certification data")?;
    let certification = reader.sized("certification data")?;
    reader.end()?;
    Ok(Attested {
        signature,
        point,
        qe_report,
        qe_signature,
        authentication,
        certification_type,
        certification,
    })
}
