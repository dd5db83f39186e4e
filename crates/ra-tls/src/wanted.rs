//! What a piece of evidence wants to be endorsed by, by the names that a cache of endorsements gives to what vendors
//! publish, and how what a cache has is put beside what came. Nothing is fetched here, and nothing is verified.

use std::collections::BTreeSet;

use crate::carried::{MAX_CRLS, MAX_DOCUMENTS};
use crate::entries::Kind;
use crate::{Endorsements, Error, Evidence, Format, intel, sev_snp};

/// What a vendor publishes, by its name in a cache (`amd/milan/crl.der`).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Wanted {
    pub name: String,
    /// Of the certificates that signed it, where they come with it.
    pub chain: Option<String>,
}

impl From<String> for Wanted {
    fn from(name: String) -> Self {
        Self { name, chain: None }
    }
}

impl Wanted {
    /// Its signers' certificates come with it, by this name.
    pub fn with(self, chain: impl Into<String>) -> Self {
        Self {
            chain: Some(chain.into()),
            ..self
        }
    }
}

/// What there is for this evidence, given what came with it: nothing where its vendor publishes nothing for it.
fn wanted(evidence: &Evidence, came: &Endorsements) -> Result<Vec<Wanted>, Error> {
    match evidence.format {
        Format::SevSnp => sev_snp::wanted(&evidence.report, came),
        Format::Tdx | Format::Sgx => intel::wanted(&evidence.report),
        Format::Tpm | Format::Nitro => Ok(Vec::new()),
    }
}

/// `came`, behind what a cache has for this evidence, of which `get` gives the entry of a name; which of two is newer is
/// the verifier's to see.
///
/// Nothing that came can take the place of what the cache has: there is an end to how much is looked at, and what is ours
/// is looked at first. An entry that is not what its name says is passed by. Where nothing is wanted for such evidence, or
/// it is none, `came` alone remains; then the verifier knows another root, or refuses.
#[must_use]
pub fn completed(evidence: &Evidence, came: &Endorsements, get: impl Fn(&str) -> Option<Vec<u8>>) -> Endorsements {
    // What is wrong with the evidence, the verifier says.
    let wanted = wanted(evidence, came).unwrap_or_default();
    let chains: BTreeSet<_> = wanted.iter().filter_map(|one| one.chain.as_deref()).collect();
    let names = wanted.iter().map(|one| one.name.as_str()).chain(chains);
    let (mut certificates, mut lists, mut documents) = (Vec::new(), Vec::new(), Vec::new());
    for name in names {
        let kind = Kind::of(name);
        let Some(data) = get(name).filter(|data| kind.holds(data)) else {
            continue;
        };
        match kind {
            Kind::Certificates => certificates.push(data),
            Kind::List => lists.push(data),
            Kind::Document => documents.push(data),
        }
    }
    if certificates.is_empty() && lists.is_empty() && documents.is_empty() {
        return came.clone();
    }
    Endorsements {
        certificates: joined(evidence.format, &came.certificates, &certificates),
        crls: behind(lists, &came.crls, MAX_CRLS),
        documents: behind(documents, &came.documents, MAX_DOCUMENTS),
    }
}

/// Certificates of a cache beside those that came.
fn joined(format: Format, came: &[u8], cached: &[Vec<u8>]) -> Vec<u8> {
    match format {
        Format::SevSnp => sev_snp::joined(came, cached),
        Format::Tdx | Format::Sgx => intel::joined(came, cached),
        Format::Tpm | Format::Nitro => came.to_vec(),
    }
}

fn behind(mut ours: Vec<Vec<u8>>, came: &[Vec<u8>], most: usize) -> Vec<Vec<u8>> {
    ours.extend_from_slice(came);
    ours.truncate(most);
    ours
}
