//! What Intel's provisioning certification service publishes for a quote (PCS, version 4; a PCCS has the same): documents
//! of this kind of machine and of its quoting enclave, and the lists of both authorities.

use super::chain::{is_of_a_platform, machine_of, pem_parts};
use super::quote::{Body, PCK_CHAIN, Quote};
use crate::Error;
use crate::expectations::hex;
use crate::pem;
use crate::wanted::Wanted;
use crate::x509::Certificate;

const SIGNERS: &str = "intel/signers.pem";

pub fn wanted(data: &[u8]) -> Result<Vec<Wanted>, Error> {
    let quote = Quote::parse(data)?;
    let kind = match quote.body {
        Body::Tdx(_) => "tdx",
        Body::Sgx(_) => "sgx",
    };
    if quote.attested.certification_type != PCK_CHAIN {
        return Err(unnamed());
    }
    let parts = pem_parts(quote.attested.certification)?;
    let leaf = Certificate::parse(parts.first().ok_or_else(unnamed)?, "PCK certificate")?;
    let machine = hex(&machine_of(&leaf)?.fmspc);
    let authority = if is_of_a_platform(&leaf) {
        "platform"
    } else {
        "processor"
    };
    Ok(vec![
        Wanted::from("intel/root-crl.der".to_owned()),
        Wanted::from(format!("intel/{authority}-crl.der")).with(format!("intel/{authority}-issuers.pem")),
        Wanted::from(format!("intel/{kind}-identity.json")).with(SIGNERS),
        Wanted::from(format!("intel/{kind}-tcb/{machine}.json")).with(SIGNERS),
    ])
}

/// PEM, one after the other: ours first.
pub fn joined(came: &[u8], cached: &[Vec<u8>]) -> Vec<u8> {
    let ours = cached.iter().flat_map(|data| pem::certificates(data));
    let mut all: Vec<u8> = ours.flat_map(|block| [block, b"\n"].concat()).collect();
    all.extend_from_slice(came);
    all
}

fn unnamed() -> Error {
    Error::new(
        "evidence.pck",
        "the quote does not bring the certificate of its machine",
    )
}
