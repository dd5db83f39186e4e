//! What Intel says of the machine behind a quote: documents, who signed them, and revocation lists.

use std::collections::{BTreeMap, BTreeSet};

use super::chain::{PckChain, pem_parts};
use super::documents::{Dated, Document, EnclaveIdentity, Signed, TcbInfo, opened};
use super::machine::Machine;
use super::signing::{Point, is_signed_by, signature_holds};
use crate::expectations::hex;
use crate::revocation::{RevocationList, newest_lists};
use crate::x509::{Certificate, check_covers};
use crate::{Endorsements, Error};

const SIGNER: &str = "Intel SGX TCB Signing";
const DOCUMENT_SIGNER: &str = "evidence.document_signer";

/// Our name of a platform, and the ids of its two documents.
#[derive(Debug)]
pub struct Names {
    pub platform: &'static str,
    pub info: &'static str,
    pub identity: &'static str,
}

/// `lists` are the newest of the root and of the machine's authority; `signers` those of the two documents, the TCB
/// info's first. Nothing of it is revoked.
#[derive(Debug)]
pub struct Endorsed<'a> {
    platform: &'static str,
    chain: &'a PckChain,
    signers: [Certificate; 2],
    lists: [RevocationList; 2],
    pub info: TcbInfo,
    pub identity: EnclaveIdentity,
}

/// Everything that does not depend on the time. `root` is the one that the caller trusts.
pub fn endorsed<'a>(
    chain: &'a PckChain,
    endorsements: &Endorsements,
    root: &Certificate,
    names: &'static Names,
) -> Result<Endorsed<'a>, Error> {
    let signers = signers(&endorsements.certificates, root)?;
    let (infos, identities) = documents(&endorsements.documents, &signers)?;
    let info = info_of(infos, names.info, &chain.machine)?;
    let of_kind = identities
        .into_iter()
        .filter(|one| one.content.dated.id == names.identity);
    let identity = newest(of_kind.collect(), |one| &one.dated, "enclave identity", names.identity)?;
    let [of_root, of_authority] = lists(&endorsements.crls, [&chain.root, &chain.authority])?;
    let used = [info.by, identity.by].map(|by| signers[by].clone());
    check_revoked(&of_root, &[&chain.root, &chain.authority, &used[0], &used[1]])?;
    check_revoked(&of_authority, &[&chain.leaf])?;
    Ok(Endorsed {
        platform: names.platform,
        chain,
        signers: used,
        lists: [of_root, of_authority],
        info: info.content,
        identity: identity.content,
    })
}

impl Endorsed<'_> {
    /// Everything covers `at`.
    pub fn check_times(&self, at: i64) -> Result<(), Error> {
        let chain = [&self.chain.root, &self.chain.authority, &self.chain.leaf];
        for certificate in chain.into_iter().chain(&self.signers) {
            check_covers(certificate.start, certificate.end, at, &certificate.common_name)?;
        }
        for (list, what) in self
            .lists
            .iter()
            .zip(["revocation list of the root", "revocation list of the authority"])
        {
            // The next one is there by the moment that a list names (RFC 5280, section 5.1.2.5): it covers the second
            // before.
            check_covers(list.start, list.end - 1, at, what)?;
        }
        for (document, what) in [
            (&self.info.dated, "TCB info"),
            (&self.identity.dated, "identity of the QE"),
        ] {
            check_covers(document.issued, document.next_update, at, what)?;
        }
        Ok(())
    }

    /// Nothing is older than what was seen before.
    pub fn check_floors(&self, floors: &BTreeMap<String, u64>) -> Result<(), Error> {
        for (step, numbers) in [
            ("evidence.crl_floor", self.seen()),
            ("evidence.tcb_floor", self.chosen()),
        ] {
            for (name, number) in numbers {
                if let Some(floor) = floors.get(&name).filter(|floor| number < **floor) {
                    return Err(bad(step, &format!("older than what was seen before: {name}"))
                        .expected(format!("at least {floor}"))
                        .got(number.to_string()));
                }
            }
        }
        Ok(())
    }

    /// Of lists. Intel's all have the number 1, so their times count too.
    pub fn seen(&self) -> BTreeMap<String, u64> {
        let issuers = ["root", self.chain.kind];
        let all = issuers.into_iter().zip(&self.lists).flat_map(|(issuer, list)| {
            // The years of lists begin in 1970.
            let issued = u64::try_from(list.start).unwrap_or_default();
            [
                (format!("crl:intel-{issuer}:number"), list.number),
                (format!("crl:intel-{issuer}:issued"), issued),
            ]
        });
        all.collect()
    }

    /// Of documents. When one was issued says nothing: those of any moment are in force beside each other.
    pub fn chosen(&self) -> BTreeMap<String, u64> {
        let (platform, fmspc) = (self.platform, hex(&self.chain.machine.fmspc));
        BTreeMap::from([
            (
                format!("tcb-info:{platform}:{fmspc}:evaluation"),
                u64::from(self.info.dated.evaluation),
            ),
            (
                format!("qe-identity:{platform}:evaluation"),
                u64::from(self.identity.dated.evaluation),
            ),
        ])
    }

    /// The TCB evaluation data number: the lower one of the two documents.
    pub fn evaluation(&self) -> u64 {
        u64::from(self.info.dated.evaluation.min(self.identity.dated.evaluation))
    }

    /// What can be asked for of every machine of Intel's.
    pub fn values(&self) -> Vec<(&'static str, String)> {
        let machine = &self.chain.machine;
        let smt = machine.smt.map(|on| ("smt", if on { "on" } else { "off" }.to_owned()));
        let all = [
            ("fmspc", hex(&machine.fmspc)),
            ("ppid", hex(&machine.ppid)),
            ("memory", machine.memory.to_owned()),
        ];
        all.into_iter().chain(smt).collect()
    }
}

/// Those that may sign documents, of certificates in any order, among which may be the root and authorities.
fn signers(pem: &[u8], root: &Certificate) -> Result<Vec<Certificate>, Error> {
    let mut found = Vec::new();
    for der in pem_parts(pem)?.into_iter().collect::<BTreeSet<_>>() {
        let one = Certificate::parse(&der, "certificate of the endorsements")?;
        if one.common_name != SIGNER {
            continue;
        }
        let may_sign = !one.authority && !one.signs_certificates && Point::of_certificate(&one).is_some();
        if !may_sign || !is_signed_by(&one, root) {
            return Err(bad(DOCUMENT_SIGNER, "the root did not certify who signs documents"));
        }
        found.push(one);
    }
    if found.is_empty() {
        return Err(bad(DOCUMENT_SIGNER, "no certificate of who signs Intel's documents").expected(SIGNER));
    }
    Ok(found)
}

type Documents = (Vec<Signed<TcbInfo>>, Vec<Signed<EnclaveIdentity>>);

fn documents(documents: &[Vec<u8>], signers: &[Certificate]) -> Result<Documents, Error> {
    let points: Vec<_> = signers.iter().filter_map(Point::of_certificate).collect();
    let (mut infos, mut identities) = (Vec::new(), Vec::new());
    for document in documents {
        match opened(document, &points)? {
            Document::Info(info) => infos.push(info),
            Document::Identity(identity) => identities.push(identity),
        }
    }
    Ok((infos, identities))
}

/// Of this kind of machine.
fn info_of(infos: Vec<Signed<TcbInfo>>, wanted: &str, machine: &Machine) -> Result<Signed<TcbInfo>, Error> {
    let of_kind: Vec<_> = infos.into_iter().filter(|one| one.content.dated.id == wanted).collect();
    let is_others = |one: &Signed<TcbInfo>| (one.content.fmspc, one.content.pce_id) != (machine.fmspc, machine.pce_id);
    if !of_kind.is_empty() && of_kind.iter().all(is_others) {
        let kind = |fmspc: &[u8], pce: &[u8]| format!("FMSPC {}, PCE {}", hex(fmspc), hex(pce));
        let all = of_kind.iter().map(|one| kind(&one.content.fmspc, &one.content.pce_id));
        return Err(bad("evidence.platform", "the TCB info is of another kind of machine")
            .expected(kind(&machine.fmspc, &machine.pce_id))
            .got(all.collect::<Vec<_>>().join(", ")));
    }
    let fitting = of_kind.into_iter().filter(|one| !is_others(one));
    newest(fitting.collect(), |one| &one.dated, "TCB info", wanted)
}

/// The first of several that are as new.
fn newest<T>(all: Vec<Signed<T>>, dated: fn(&T) -> &Dated, what: &str, id: &str) -> Result<Signed<T>, Error> {
    let order = |one: &Signed<T>| {
        let dated = dated(&one.content);
        (dated.evaluation, dated.issued)
    };
    // Of equal ones the last is taken, so from behind.
    let found = all.into_iter().rev().max_by_key(order);
    found.ok_or_else(|| {
        let reason = format!("no {what} {id}: bring Intel's current documents with the evidence");
        bad("evidence.documents", &reason)
    })
}

/// The newest of the root, and of the machine's authority.
fn lists(crls: &[Vec<u8>], issuers: [&Certificate; 2]) -> Result<[RevocationList; 2], Error> {
    let mut all: Vec<&Vec<u8>> = crls.iter().collect();
    all.sort();
    let found = newest_lists(all, &issuers, signature_holds)?;
    let found = found.into_iter().zip(issuers).map(|(list, issuer)| {
        let reason = format!(
            "no revocation list of {}: absence never means acceptance",
            issuer.common_name
        );
        list.ok_or_else(|| bad("evidence.crl", &reason))
    });
    let [of_root, of_authority] = <[_; 2]>::try_from(found.collect::<Result<Vec<_>, _>>()?)
        .map_err(|_| bad("evidence.crl", "a revocation list is missing"))?;
    Ok([of_root, of_authority])
}

fn check_revoked(revoking: &RevocationList, certificates: &[&Certificate]) -> Result<(), Error> {
    match certificates.iter().find(|certificate| revoking.revokes(certificate)) {
        Some(certificate) => {
            Err(bad("evidence.revoked", "a certificate is revoked").got(certificate.common_name.as_str()))
        }
        None => Ok(()),
    }
}

fn bad(step: &'static str, reason: &str) -> Error {
    Error::new(step, reason)
}
