//! Verification of quotes of TPM 2.0, in the numbered steps of spec/evidence.md.
//!
//!  1  the quote is one, made by the TPM, with nothing in it that is not known       structures.rs
//!  2  it is of the SHA-256 bank, with the registers that are asked for below,
//!     and of no bank of SHA-1
//!  3  the key signs nothing but what its TPM made, and is strong enough             key.rs
//!  4  the quote is signed by that key, in the key's own scheme
//!  5  its digest is that of the registers' values
//!  6  PCR 15 was extended by the expected manifest and closed, and nothing else
//!  7  the qualifying data is the expected one
//!  8  the key's certificate comes from a root that the caller trusts, by
//!     authorities of which none revoked anything of it; or there is none, and the
//!     caller judges the key itself                                                  chain.rs
//!  9  certificates and lists cover the time; no list is older than one seen         chain.rs
//! 10  where a log came along, it replays to those of its registers that are quoted  ../eventlog.rs
//!
//! What costs most comes last: evidence that was made for somebody else does not get there.
//!
//! The runtime measurement is PCR 11. What it says depends on who extended it: a caller asks for the registers of firmware
//! and boot loader too (docs/platforms/tpm.md). There are no security versions to look at.

mod chain;
mod key;
mod machine;
mod structures;

use std::collections::{BTreeMap, BTreeSet};

use casemate_wire::encoding::sha256;

use crate::eventlog::{Algorithm, EventLog, after_the_log, replay};
use crate::expectations::{check_expected, hex, is_expected};
use crate::x509::Certificate;
use crate::{Claims, Endorsements, Error, Evidence, Expected, Platform};
use chain::Chain;
pub use chain::shipped_roots;
use key::Key;
use structures::Quote;

const BANK: Algorithm = Algorithm::Sha256;
const FORBIDDEN: Algorithm = Algorithm::Sha1;
/// Extended with the shield by whoever boots: as systemd does with the parts of a unified kernel image.
const RUNTIME_PCR: u8 = 11;
const MANIFEST_PCR: u8 = 15;
/// What is extended behind the manifest's digest is the SHA-256 of this: no other value is reached from there that a
/// manifest could have.
const CAP: &[u8] = b"casemate/cap/v1";

/// Whether it is a quote, whoever signed it.
pub fn parse(report: &[u8]) -> Result<(), Error> {
    Key::of(&Quote::parse(report)?.key).map(drop)
}

/// `roots` are those that the caller trusts.
pub fn verify(
    roots: &[Certificate],
    evidence: &Evidence,
    endorsements: &Endorsements,
    at: i64,
    expected: &Expected,
) -> Result<Claims, Error> {
    // 1. A quote that is understood in every part.
    let quote = Quote::parse(&evidence.report)?;
    // 2, 3, 4, 5. Of what is needed, said by a TPM.
    let key = signed(&quote)?;
    // 6, 7. For this manifest, this caller, this moment.
    check_expected(
        "evidence.manifest",
        [&pcr_of(&expected.manifest), register(&quote, MANIFEST_PCR)],
        [&sha256(&expected.report_data), quote.attest.extra],
    )?;
    // 8. Of a TPM that somebody vouches for.
    let chain = vouched(&key, endorsements, roots, expected)?;
    // 9. All of it at this time, and no step back in revocation.
    if let Some(chain) = &chain {
        chain.check_times(at)?;
        chain.check_floors(&expected.floors)?;
    }
    // 10. What was measured is what the log says, where there is one.
    check_log(evidence.log.as_deref(), &quote)?;
    Ok(claims(&quote, &key, chain.as_ref(), at, expected))
}

fn claims(quote: &Quote<'_>, key: &Key, chain: Option<&Chain>, at: i64, expected: &Expected) -> Claims {
    let lacks = match chain {
        None => Some("authority"),
        Some(chain) => chain.lacks_lists.then_some("crl"),
    };
    let lists = chain.into_iter().flat_map(Chain::lists);
    Claims {
        platform: Platform::Tpm,
        product: "tpm",
        runtime_measurement: format!("{}:{}", BANK.name(), hex(register(quote, RUNTIME_PCR))),
        manifest: expected.manifest,
        report_data: quote.attest.extra.to_vec(),
        hardware: key.digest.to_vec(),
        tcb: BTreeMap::new(),
        // Nobody gives a verdict.
        tcb_status: None,
        advisories: BTreeSet::new(),
        values: values(quote, key, chain),
        lacks: lacks.into_iter().collect(),
        seen: lists.map(|(issuer, list)| (issuer, list.number)).collect(),
        chosen: BTreeMap::new(),
        vmpl: None,
        verified_at: at,
    }
}

/// Steps 2 to 5: the key that signed it.
fn signed(quote: &Quote<'_>) -> Result<Key, Error> {
    // 2. Of a bank that means something, and all of it that is needed.
    check_selection(quote)?;
    // 3. By a key that cannot sign what somebody else made up.
    let key = Key::of(&quote.key)?;
    // 4. The TPM said it.
    check_signature(quote, &key)?;
    // 5. Of these values.
    if !is_expected(quote.attest.digest, &quote.digest()) {
        let reason = "values of registers that are not those of the quote: read them right after it";
        return Err(rejected("evidence.pcrs", reason)
            .expected(hex(quote.attest.digest))
            .got(hex(&quote.digest())));
    }
    Ok(key)
}

/// What PCR 15 is once it was extended by a manifest's digest, and closed (TPM2_PCR_Extend: Part 1, 11.4.5).
fn pcr_of(manifest: &[u8; 32]) -> Vec<u8> {
    let extended = BANK.digest(&[&[0; 32], manifest]);
    BANK.digest(&[&extended, &sha256(CAP)])
}

/// Of those that step 2 saw to be there.
fn register<'a>(quote: &Quote<'a>, number: u8) -> &'a [u8] {
    quote.register(BANK, number).unwrap_or_default()
}

fn check_selection(quote: &Quote<'_>) -> Result<(), Error> {
    if quote.values.iter().any(|(bank, _)| *bank == FORBIDDEN) {
        let reason = "a quote of the SHA-1 bank: values of SHA-1 can be made to collide";
        return Err(rejected("evidence.banks", reason).expected(BANK.name()));
    }
    let is_there = |number: &u8| quote.register(BANK, *number).is_some();
    if ![RUNTIME_PCR, MANIFEST_PCR].iter().all(is_there) {
        let numbers: Vec<_> = quote.bank(BANK).iter().map(|(number, _)| number.to_string()).collect();
        return Err(rejected("evidence.banks", "a quote without registers that are needed")
            .expected(format!("{}:{RUNTIME_PCR},{MANIFEST_PCR}", BANK.name()))
            .got(format!("{}:{}", BANK.name(), numbers.join(","))));
    }
    Ok(())
}

fn check_signature(quote: &Quote<'_>, key: &Key) -> Result<(), Error> {
    if quote.key.signing != Some(quote.signature.signing) {
        return Err(rejected(
            "evidence.algorithm",
            "signed in another scheme than the key's",
        ));
    }
    if !key.signed(&quote.signature, quote.signed) {
        let reason =
            "the quote is not signed by the key that came with it: it was changed, or the key is of another TPM";
        return Err(rejected("evidence.signature", reason));
    }
    Ok(())
}

fn vouched(
    key: &Key,
    endorsements: &Endorsements,
    roots: &[Certificate],
    expected: &Expected,
) -> Result<Option<Chain>, Error> {
    if !endorsements.certificates.is_empty() {
        let without_lists = expected.excused.contains("crl");
        return Chain::verified(endorsements, &key.spki, roots, without_lists).map(Some);
    }
    if expected.excused.contains("authority") {
        return Ok(None);
    }
    Err(rejected("evidence.authority", "nobody vouches for the key"))
}

/// In each bank that is quoted: whoever looks at the log may look at any.
fn check_log(log: Option<&[u8]>, quote: &Quote<'_>) -> Result<(), Error> {
    let Some(log) = log else { return Ok(()) };
    let log = EventLog::parse(log)?;
    for (bank, registers) in &quote.values {
        let replayed = replay(&log, *bank)?;
        for (number, quoted) in registers {
            let Some(value) = replayed.get(&u32::from(*number)) else {
                continue;
            };
            let is_after = || {
                after_the_log(u32::from(*number), *bank, value)
                    .iter()
                    .any(|after| after == quoted)
            };
            if value != quoted && !is_after() {
                let bank = bank.name();
                let reason = format!("the event log is not of this machine's start: PCR {number} of {bank} is another");
                return Err(rejected("evidence.log", reason).expected(hex(quoted)).got(hex(value)));
            }
        }
    }
    Ok(())
}

/// What can be asked for (`casemate.platforms`).
fn values(quote: &Quote<'_>, key: &Key, chain: Option<&Chain>) -> BTreeMap<String, String> {
    let named = [("key", hex(&key.digest)), ("name", hex(&quote.key.name))];
    let certified = chain.map(|chain| {
        [("authority", "google".to_owned())]
            .into_iter()
            .chain(chain.machine.clone())
    });
    let registers = quote.bank(BANK).iter();
    named
        .into_iter()
        .chain(certified.into_iter().flatten())
        .map(|(name, value)| (name.to_owned(), value))
        .chain(registers.map(|(number, value)| (format!("pcr{number}"), hex(value))))
        .collect()
}

fn rejected(step: &'static str, reason: impl Into<String>) -> Error {
    Error::new(step, reason)
}

#[cfg(test)]
mod real;
#[cfg(test)]
mod tests;
