//! What quotes of TDX and SGX have in common (spec/evidence.md, "Verification of quotes of Intel's"), up to Intel's
//! verdict. In which order the steps come, `tdx` and `sgx` say.

mod chain;
mod documents;
mod endorsed;
#[cfg(test)]
pub mod given;
mod json;
mod machine;
mod quote;
mod reader;
#[cfg(test)]
mod real;
mod reports;
mod signing;
mod tcb;
#[cfg(test)]
mod tests;
mod vouched;
mod wanted;

use std::collections::BTreeMap;

use crate::x509::Certificate;
use crate::{Endorsements, Error};
use chain::{PckChain, required_root};
use endorsed::endorsed;
use tcb::judged;
use vouched::{QuotingEnclave, check_quote, pck_chain, quoting_enclave};

pub use chain::trusted_root;
pub use documents::read_document;
pub use endorsed::{Endorsed, Names};
pub use quote::{Body, Quote};
pub use reader::malformed;
pub use reports::{ENCLAVE_DEBUG, EnclaveReport, TdReport};
pub use tcb::Verdict;
pub use wanted::{joined, wanted};

/// A quote that a machine of Intel's vouches for, whatever it says and whatever Intel says of that machine. `root` is
/// the one that is trusted.
pub struct Vouched<'a> {
    root: &'a Certificate,
    pub chain: PckChain,
    enclave: QuotingEnclave,
}

impl<'a> Vouched<'a> {
    /// 2: its certificates lead from the machine to Intel's root. 3: the machine vouches for the quoting enclave, and
    /// that for the quote.
    pub fn by(quote: &Quote<'_>, root: Option<&'a Certificate>) -> Result<Self, Error> {
        let root = required_root(root)?;
        let chain = pck_chain(quote, root)?;
        let enclave = quoting_enclave(quote, &chain)?;
        check_quote(quote, &enclave)?;
        Ok(Self { root, chain, enclave })
    }

    /// 6: what Intel says of this kind of machine is there, and nothing revoked. 7: all of it covers the time, and is
    /// no older than what was seen before.
    pub fn endorsed(
        &self,
        endorsements: &Endorsements,
        names: &'static Names,
        at: i64,
        floors: &BTreeMap<String, u64>,
    ) -> Result<Endorsed<'_>, Error> {
        let known = endorsed(&self.chain, endorsements, self.root, names)?;
        known.check_times(at)?;
        known.check_floors(floors)?;
        Ok(known)
    }

    /// 8: Intel's verdict; on a trust domain, by this report of it.
    pub fn judged(&self, known: &Endorsed<'_>, td: Option<&TdReport>) -> Result<Verdict, Error> {
        let machine = &self.chain.machine;
        judged(machine, td, &self.enclave.report, &known.info, &known.identity)
    }
}

/// For parsers alone: a quote, and where it brings certificates and they can be read, its machine.
pub fn read_quote(data: &[u8]) -> Result<(), Error> {
    let quote = Quote::parse(data)?;
    let parts = chain::pem_parts(quote.attested.certification)?;
    let leaf = parts
        .first()
        .ok_or_else(|| Error::new("evidence.pck", "no certificate of its machine"))?;
    chain::machine_of(&Certificate::parse(leaf, "certificate of the quote")?).map(drop)
}
