//! Verification of TDX quotes, in the numbered steps of spec/evidence.md.
//!
//!  1  the quote is of a known version and every reserved field is zero              ../intel/quote.rs, reports.rs
//!  2  its certificates lead from the machine to Intel's root, each of its kind      ../intel/chain.rs, machine.rs
//!  3  the machine's key signed the quoting enclave's report, the enclave holds
//!     the quote's key, and that signed the quote                                    ../intel/vouched.rs
//!  4  nobody can look into the domain, move it, or have it run on what it
//!     cannot trust: debug, migration, attributes
//!  5  MRCONFIGID is the manifest's digest; report data is what the caller expects
//!  6  Intel's documents of this kind of machine and of the quoting enclave are
//!     there, signed; so are the revocation lists, and nothing of it is revoked      ../intel/endorsed.rs
//!  7  certificates, lists and documents cover the time, none older than one seen    ../intel/endorsed.rs
//!  8  Intel knows machine, TDX module and quoting enclave; its verdict on them,
//!     of the launch and of now                                                      ../intel/tcb.rs
//! 10  an event log that came with it replays to the four RTMRs
//!
//! Step 9 is Python's: here no other implementation is asked.
//!
//! Whether the verdict is good enough is for a policy to say: it is in the claims. Only what Intel revoked, or does not
//! know, is refused here. RTMR3 belongs to whoever runs inside, and is among the values.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};

use aws_lc_rs::digest::{SHA384, digest};

use crate::eventlog::{Algorithm, EventLog, replay};
use crate::expectations::{check_expected, hex};
use crate::intel::{Body, Endorsed, Names, Quote, TdReport, Verdict, Vouched, malformed};
use crate::x509::Certificate;
use crate::{Claims, Endorsements, Error, Evidence, Expected, Platform};

const NAMES: Names = Names {
    platform: "tdx",
    info: "TDX",
    identity: "TD_QE",
};

/// Bits 0 to 7, "TD under debug": with any of them its host may look inside, or change what it does.
const TUD: u64 = 0xff;
const SEPT_VE_DISABLE: u64 = 1 << 28;
const MIGRATABLE: u64 = 1 << 29;
/// The others are protection keys and key locker, and performance counters (TDX module ABI, ATTRIBUTES).
const ATTRIBUTES: u64 = TUD | SEPT_VE_DISABLE | MIGRATABLE | 1 << 30 | 1 << 31 | 1 << 63;
const XFAM_ONES: u64 = 0b11;
/// x87, SSE, AVX, AVX-512, PT, PKRU, PASID, CET, ULI, LBR, AMX, APX (Intel SDM, XCR0 and IA32_XSS).
const XFAM: u64 = 0xe_dbe7;
const DOMAIN: &[u8] = b"casemate/tdx-runtime/v1";

/// Under the one root that the caller trusts, if there is any.
pub fn verify(
    root: Option<&Certificate>,
    evidence: &Evidence,
    endorsements: &Endorsements,
    at: i64,
    expected: &Expected,
) -> Result<Claims, Error> {
    // 1. A quote of a trust domain that is understood in every part.
    let quote = Quote::parse(&evidence.report)?;
    let Body::Tdx(report) = &quote.body else {
        return Err(malformed("of another kind of environment").got(quote.body.name()));
    };
    // 2. The machine's key, from Intel's root. 3. The machine's quoting enclave said it.
    let quoted = Vouched::by(&quote, root)?;
    // 4. Nobody can look in from outside.
    check_launch(report)?;
    // 5. For this manifest, this caller, this moment.
    check_expected(
        "evidence.manifest",
        [&config_of(&expected.manifest), &report.mr_config_id],
        [&expected.report_data, &report.report_data],
    )?;
    // 6. What Intel says of this kind of machine, and what it revoked. 7. All of it at this time, and no step back.
    let known = quoted.endorsed(endorsements, &NAMES, at, &expected.floors)?;
    // 8. Intel's verdict, on what it was launched under, and on what it runs under now.
    let launch = quoted.judged(&known, Some(report))?;
    let now = quoted.judged(&known, Some(&report.as_of_now()))?;
    // 10. What was measured is what the log says, where there is one.
    check_log(report, evidence.log.as_deref())?;
    Ok(claims(report, &quoted, &known, launch.and(now), expected.manifest, at))
}

/// What MRCONFIGID is, of a domain that is launched for a manifest's digest.
fn config_of(manifest: &[u8; 32]) -> [u8; 48] {
    let mut config = [0; 48];
    config[..32].copy_from_slice(manifest);
    config
}

fn check_launch(report: &TdReport) -> Result<(), Error> {
    let (flags, xfam) = (report.flags(), u64::from_le_bytes(report.xfam));
    if flags & TUD != 0 {
        return Err(
            Error::new("evidence.debug", "launched with debug: the host can read its memory")
                .expected("0x00")
                .got(format!("{:#04x}", flags & TUD)),
        );
    }
    let is_bound = report
        .mr_service_td
        .is_some_and(|bound| bound.iter().any(|byte| *byte != 0));
    if flags & MIGRATABLE != 0 || is_bound {
        let reason = "may be moved, or is bound to another domain that can see its keys";
        return Err(Error::new("evidence.migration", reason));
    }
    let refused = |reason| Error::new("evidence.attributes", reason);
    if flags & SEPT_VE_DISABLE == 0 {
        return Err(refused("the host may interrupt it with pages that are not there").expected("SEPT_VE_DISABLE"));
    }
    if flags & !ATTRIBUTES != 0 {
        return Err(refused("attributes that are not known").got(format!("{:#x}", flags & !ATTRIBUTES)));
    }
    if xfam & XFAM_ONES != XFAM_ONES || xfam & !XFAM != 0 {
        return Err(refused("extended features that are not known").got(format!("XFAM {xfam:#x}")));
    }
    Ok(())
}

/// Registers of the log are counted from MRTD, which nothing is extended into once a domain runs (UEFI 2.11, section
/// 38.4.1): a record of it would be believed, and compared with nothing.
pub fn check_log(report: &TdReport, log: Option<&[u8]>) -> Result<(), Error> {
    let Some(log) = log else { return Ok(()) };
    let refused = |reason: String| Error::new("evidence.log", reason);
    let mut registers = replay(&EventLog::parse(log)?, Algorithm::Sha384)?;
    for (number, value) in (1..).zip(&report.rtmrs) {
        let replayed = registers.remove(&number).unwrap_or_else(|| vec![0; value.len()]);
        if replayed != value {
            return Err(refused(format!("the event log does not lead to RTMR{}", number - 1))
                .expected(hex(&replayed))
                .got(hex(value)));
        }
    }
    match registers.first_key_value() {
        Some((other, _)) => {
            Err(refused("the event log is about a register that is no RTMR".to_owned()).got(other.to_string()))
        }
        None => Ok(()),
    }
}

/// `manifest` is the one that MRCONFIGID was held against.
fn claims(
    report: &TdReport,
    quoted: &Vouched<'_>,
    known: &Endorsed<'_>,
    verdict: Verdict,
    manifest: [u8; 32],
    at: i64,
) -> Claims {
    Claims {
        platform: Platform::Tdx,
        product: "tdx",
        runtime_measurement: runtime_measurement(report),
        manifest,
        report_data: report.report_data.to_vec(),
        hardware: quoted.chain.machine.ppid.to_vec(),
        tcb: BTreeMap::from([("evaluation", known.evaluation()), ("module", module(report))]),
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

/// Firmware and what it measured before the shield.
fn runtime_measurement(report: &TdReport) -> String {
    let [first, second, third, _] = &report.rtmrs;
    let measured = [DOMAIN, &report.mr_td, first, second, third].concat();
    format!("sha384:{}", hex(digest(&SHA384, &measured).as_ref()))
}

/// The lowest version of the TDX module that the domain ran under: the minor byte first, then the major one.
fn module(report: &TdReport) -> u64 {
    let version = |svn: [u8; 16]| u64::from(u16::from_le_bytes([svn[0], svn[1]]));
    let launched = version(report.tee_tcb_svn);
    report
        .current_tcb_svn
        .map_or(launched, |now| launched.min(version(now)))
}

/// What can be asked for (`casemate.platforms`).
fn values(report: &TdReport, known: &Endorsed<'_>) -> BTreeMap<String, String> {
    let [rtmr0, rtmr1, rtmr2, rtmr3] = &report.rtmrs;
    let own: [(&'static str, &[u8]); 11] = [
        ("mrtd", &report.mr_td),
        ("mrseam", &report.mr_seam),
        ("mrsignerseam", &report.mr_signer_seam),
        ("mrowner", &report.mr_owner),
        ("mrownerconfig", &report.mr_owner_config),
        ("attributes", &report.attributes),
        ("xfam", &report.xfam),
        ("rtmr0", rtmr0),
        ("rtmr1", rtmr1),
        ("rtmr2", rtmr2),
        ("rtmr3", rtmr3),
    ];
    let own = own.map(|(name, value)| (name, hex(value)));
    let all = known.values().into_iter().chain(own);
    all.map(|(name, value)| (name.to_owned(), value)).collect()
}
