//! Verification of SGX quotes, in the numbered steps of spec/evidence.md.
//!
//!  1  the quote is of a known version and every reserved field is zero              ../intel/quote.rs, reports.rs
//!  2  its certificates lead from the machine to Intel's root, each of its kind      ../intel/chain.rs, machine.rs
//!  3  the machine's key signed the quoting enclave's report, the enclave holds
//!     the quote's key, and that signed the quote                                    ../intel/vouched.rs
//!  4  nobody can look into the enclave: debug, attributes
//!  5  CONFIGID is the manifest's digest; report data is what the caller expects
//!  6  Intel's documents of this kind of machine and of the quoting enclave are
//!     there, signed; so are the revocation lists, and nothing of it is revoked      ../intel/endorsed.rs
//!  7  certificates, lists and documents cover the time, none older than one seen    ../intel/endorsed.rs
//!  8  Intel knows machine and quoting enclave; its verdict on them                  ../intel/tcb.rs
//!
//! Step 9 is Python's: here no other implementation is asked, and the claims say so (`opinions`).
//!
//! Whether the verdict is good enough is for a policy to say: it is in the claims. Only what Intel revoked, or does not
//! know, is refused here. CONFIGID is there only for enclaves with key separation and sharing (KSS): the processor
//! holds it at zero for others, which bind no manifest.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use crate::expectations::{check_expected, hex};
use crate::intel::{Body, ENCLAVE_DEBUG, EnclaveReport, Endorsed, Names, Quote, Verdict, Vouched, malformed};
use crate::x509::Certificate;
use crate::{Claims, Endorsements, Error, Evidence, Expected, Platform};

const NAMES: Names = Names {
    platform: "sgx",
    info: "SGX",
    identity: "QE",
};

// Flags of ATTRIBUTES (Intel SDM volume 3D, table "Layout of ATTRIBUTES Structure").
const INITIALISED: u64 = 1 << 0;
const MODE_64: u64 = 1 << 2;
const PROVISIONING: u64 = 1 << 4;
const LAUNCHING: u64 = 1 << 5;
const KSS: u64 = 1 << 7;
const NOTIFIED: u64 = 1 << 10;
const KNOWN: u64 = INITIALISED | ENCLAVE_DEBUG | MODE_64 | PROVISIONING | LAUNCHING | KSS | NOTIFIED;

/// Under the one root that the caller trusts, if there is any.
pub fn verify(
    root: Option<&Certificate>,
    evidence: &Evidence,
    endorsements: &Endorsements,
    at: i64,
    expected: &Expected,
) -> Result<Claims, Error> {
    // 1. A quote of an enclave that is understood in every part.
    let quote = Quote::parse(&evidence.report)?;
    let Body::Sgx(report) = &quote.body else {
        return Err(malformed("of another kind of environment").got(quote.body.name()));
    };
    // 2. The machine's key, from Intel's root. 3. The machine's quoting enclave said it.
    let quoted = Vouched::by(&quote, root)?;
    // 4. Nobody can look in from outside.
    check_attributes(report)?;
    // 5. For this manifest, this caller, this moment.
    check_expected(
        "evidence.manifest",
        [&config_of(&expected.manifest), &report.config_id],
        [&expected.report_data, &report.report_data],
    )?;
    // 6. What Intel says of this kind of machine, and what it revoked. 7. All of it at this time, and no step back.
    let known = quoted.endorsed(endorsements, &NAMES, at, &expected.floors)?;
    // 8. Intel's verdict.
    let verdict = quoted.judged(&known, None)?;
    Ok(claims(report, &quoted, &known, verdict, expected.manifest, at))
}

/// What CONFIGID is, of an enclave that is started for a manifest's digest.
fn config_of(manifest: &[u8; 32]) -> [u8; 64] {
    let mut config = [0; 64];
    config[..32].copy_from_slice(manifest);
    config
}

fn check_attributes(report: &EnclaveReport) -> Result<(), Error> {
    let flags = report.flags();
    if report.in_debug_mode() {
        return Err(rejected(
            "evidence.debug",
            "built with debug: the host can read its memory",
        ));
    }
    let unknown = |reason| Err(rejected("evidence.attributes", reason).got(format!("{flags:#x}")));
    if flags & INITIALISED == 0 || flags & !KNOWN != 0 {
        return unknown("attributes that are not known");
    }
    if flags & (PROVISIONING | LAUNCHING) != 0 {
        return unknown("may ask for keys of the machine's own");
    }
    let configured = report.config_svn != 0 || report.config_id.iter().any(|byte| *byte != 0);
    if flags & KSS == 0 && configured {
        return unknown("a configuration without KSS, which is no processor's");
    }
    Ok(())
}

/// `manifest` is the one that CONFIGID was held against.
fn claims(
    report: &EnclaveReport,
    quoted: &Vouched<'_>,
    known: &Endorsed<'_>,
    verdict: Verdict,
    manifest: [u8; 32],
    at: i64,
) -> Claims {
    Claims {
        platform: Platform::Sgx,
        product: "sgx",
        runtime_measurement: format!("sha256:{}", hex(&report.mr_enclave)),
        manifest,
        report_data: report.report_data.to_vec(),
        hardware: quoted.chain.machine.ppid.to_vec(),
        tcb: BTreeMap::from([
            ("evaluation", known.evaluation()),
            ("isv", u64::from(report.isv_svn)),
            ("config", u64::from(report.config_svn)),
        ]),
        values: values(report, known),
        tcb_status: Some(verdict.status()),
        advisories: verdict.advisories,
        lacks: BTreeSet::new(),
        seen: known.seen(),
        chosen: known.chosen(),
        vmpl: None,
        verified_at: at,
    }
}

/// What can be asked for (`casemate.platforms`). `opinions`: how many implementations judged the machine.
fn values(report: &EnclaveReport, known: &Endorsed<'_>) -> BTreeMap<String, String> {
    let own = [
        ("opinions", "1".to_owned()),
        ("mrsigner", hex(&report.mr_signer)),
        ("isv_product", report.isv_product.to_string()),
        ("isv_family", hex(&report.isv_family)),
        ("attributes", hex(&report.attributes)),
    ];
    let all = known.values().into_iter().chain(own);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}

fn rejected(step: &'static str, reason: &str) -> Error {
    Error::new(step, reason)
}
