//! Verification of SEV-SNP evidence, in the numbered steps of spec/evidence.md. The simulated platforms speak the same
//! format.
//!
//!  1  the report is of a known version and every reserved field is zero             report.rs
//!  2  the certificate table leads to a root that the caller trusts                  table.rs, chain.rs
//!  3  root → ASK (or ASVK) → VCEK (or VLEK): each signed by the one before,
//!     each of its kind, of one product line, and allowed to do what it does         chain.rs
//!  4  the newest revocation list of the root is there and revokes nothing of it     ../revocation.rs
//!  5  the report key is a P-384 key with AMD's extensions                           key_extensions.rs
//!  6  certificates and list cover the time; the list is not older than one seen     chain.rs
//!  7  the report is signed by that key
//!  8  product, TCB and chip are those that the key was certified for
//!  9  the guest was not launched with debug or a migration agent
//! 10  the report was asked for by code as privileged as the shield
//! 11  HOST_DATA and report data are what the caller expects

mod chain;
mod key_extensions;
mod products;
mod report;
mod signing;
mod table;
#[cfg(test)]
mod tests;
mod wanted;

use std::collections::{BTreeMap, BTreeSet};

use crate::expectations::{check_expected, hex, is_expected};
use crate::x509::Certificate;
use crate::{Claims, Endorsements, Error, Evidence, Expected, Roots};
use chain::Chain;
use key_extensions::KeyExtensions;
use report::Report;
pub use wanted::{joined, wanted};

/// Which bit says that of the machine (ABI 56860, PLATFORM_INFO): what the host's firmware was told, not what a guest
/// asked for (`guest_policy`).
const PLATFORM_INFO: [(&str, u32); 7] = [
    ("smt", 0),
    ("tsme", 1),
    ("ecc", 2),
    ("rapl_disabled", 3),
    ("ciphertext_hiding", 4),
    ("alias_check", 5),
    ("tio", 7),
];

pub fn verify(
    evidence: &Evidence,
    endorsements: &Endorsements,
    roots: &Roots,
    at: i64,
    expected: &Expected,
) -> Result<Claims, Error> {
    // 1. A report that is understood in every bit.
    let report = Report::parse(&evidence.report)?;
    // 2, 3, 4, 5. Its key, from a trusted root, not revoked.
    let without_list = expected.excused.contains("crl");
    let chain = Chain::verified(endorsements, report.signed_with_vlek(), roots, without_list)?;
    // 6. All of it at this time, and no step back in revocation.
    chain.check_times(at)?;
    chain.check_floor(&expected.floors)?;
    // 7. The chip said it.
    check_signature(&report, &chain)?;
    // 8. This product line, at this TCB, this chip.
    check_certified(&report, &chain)?;
    // 9. Nobody can look in from outside.
    check_guest_policy(&report)?;
    // 10. No less privileged code of the guest asked for it.
    check_vmpl(&report, expected)?;
    // 11. For this manifest, this caller, this moment.
    check_expected(
        "evidence.host_data",
        [&expected.manifest, &report.host_data()],
        [&expected.report_data, &report.report_data()],
    )?;
    Ok(claims(&report, &chain, at))
}

/// Whether any product line's report keys have such extensions.
pub fn certified_by_any_line(certificate: &Certificate) -> Result<(), Error> {
    let mut read = products::PRODUCTS
        .iter()
        .map(|product| KeyExtensions::read(certificate, product));
    read.find(Result::is_ok).map_or_else(
        || Err(Error::new("evidence.report_key", "a certificate of no product line")),
        |found| found.map(drop),
    )
}

fn claims(report: &Report<'_>, chain: &Chain, at: i64) -> Claims {
    let list = chain.revocation.as_ref();
    Claims {
        platform: chain.platform,
        product: chain.product.label,
        runtime_measurement: format!("sha384:{}", hex(&report.measurement())),
        manifest: report.host_data(),
        report_data: report.report_data().to_vec(),
        hardware: report.chip_id().to_vec(),
        tcb: tcb(report, chain),
        // AMD gives no verdict.
        tcb_status: None,
        advisories: BTreeSet::new(),
        values: values(report, chain),
        lacks: if list.is_some() {
            BTreeSet::new()
        } else {
            BTreeSet::from(["crl"])
        },
        seen: list.map(|list| (chain.root(), list.number)).into_iter().collect(),
        chosen: BTreeMap::new(),
        vmpl: Some(report.vmpl),
        verified_at: at,
    }
}

/// Component by component, the lower of what was reported and what the guest was launched under: firmware that is updated
/// afterwards does not mend what an older one may have let happen at the launch.
fn tcb(report: &Report<'_>, chain: &Chain) -> BTreeMap<&'static str, u64> {
    let reported = chain.product.unpack(&report.reported_tcb());
    let launch = chain.product.unpack(&report.launch_tcb());
    let lowest = reported
        .iter()
        .zip(launch)
        .map(|((name, now), (_, then))| (*name, u64::from(then.min(*now))));
    lowest.chain([("guest", u64::from(report.guest_svn()))]).collect()
}

fn check_signature(report: &Report<'_>, chain: &Chain) -> Result<(), Error> {
    chain.key.verify_sig(report.signed(), &report.signature).map_err(|_| {
        let reason = "the report is not signed by the certified key: it was changed, or the certificates are of another \
                      chip or another TCB";
        Error::new("evidence.signature", reason)
    })
}

fn check_certified(report: &Report<'_>, chain: &Chain) -> Result<(), Error> {
    let product = chain.product;
    if let Some(family) = report.cpu_family().filter(|family| *family != product.family) {
        return Err(rejected(
            "evidence.product",
            "the report is of another product line than its certificates",
        )
        .expected(format!("{}, family {:#x}", product.name, product.family))
        .got(format!("family {family:#x}")));
    }
    for (name, version) in report.tcb_versions() {
        if !product.reserved_is_zero(&version) {
            return Err(rejected("evidence.tcb", &format!("reserved bits in the {name} TCB")).got(hex(&version)));
        }
    }
    let reported = product.unpack(&report.reported_tcb());
    if reported != chain.extensions.spl {
        return Err(rejected("evidence.tcb", "the reported TCB is not the certified one")
            .expected(versions(&chain.extensions.spl))
            .got(versions(&reported)));
    }
    check_chip(report, chain)
}

fn check_chip(report: &Report<'_>, chain: &Chain) -> Result<(), Error> {
    // A VLEK stands for a cloud provider's whole fleet.
    let Some(hwid) = &chain.extensions.hwid else {
        return Ok(());
    };
    // Turin's chip id is 8 bytes; the rest of the field is zero. A masked chip id cannot be held against a VCEK.
    let mut whole = [0; 64];
    let fits = whole
        .get_mut(..hwid.len())
        .map(|start| start.copy_from_slice(hwid))
        .is_some();
    if !fits || !is_expected(&whole, &report.chip_id()) {
        return Err(
            rejected("evidence.chip", "the report is of another chip than its certificate")
                .expected(hex(hwid))
                .got(hex(&report.chip_id())),
        );
    }
    Ok(())
}

fn check_guest_policy(report: &Report<'_>) -> Result<(), Error> {
    if report.debug() {
        return Err(rejected(
            "evidence.debug",
            "launched with debug: the host can read its memory",
        ));
    }
    if report.migration_agent() {
        return Err(rejected(
            "evidence.migration",
            "launched with a migration agent, which could copy it",
        ));
    }
    Ok(())
}

fn check_vmpl(report: &Report<'_>, expected: &Expected) -> Result<(), Error> {
    if report.vmpl > expected.max_vmpl {
        return Err(
            rejected("evidence.vmpl", "asked for by less privileged code than the shield")
                .expected(format!("VMPL at most {}", expected.max_vmpl))
                .got(report.vmpl.to_string()),
        );
    }
    Ok(())
}

/// What can be asked for (`casemate.platforms`).
fn values(report: &Report<'_>, chain: &Chain) -> BTreeMap<String, String> {
    let mut found = vec![
        ("product", chain.product.label.to_owned()),
        ("chip_id", hex(&report.chip_id())),
        ("family_id", hex(&report.family_id())),
        ("image_id", hex(&report.image_id())),
        ("id_key_digest", hex(&report.id_key_digest())),
        ("author_key_digest", hex(&report.author_key_digest())),
        ("guest_policy", format!("{:#x}", report.guest_policy)),
        ("launch_mitigations", format!("{:#x}", report.launch_mitigations())),
        ("current_mitigations", format!("{:#x}", report.current_mitigations())),
    ];
    found.extend(PLATFORM_INFO.map(|(name, bit)| {
        let word = if report.platform_info >> bit & 1 == 1 {
            "on"
        } else {
            "off"
        };
        (name, word.to_owned())
    }));
    found.extend(chain.extensions.csp_id.clone().map(|id| ("csp_id", id)));
    found
        .into_iter()
        .map(|(name, value)| (name.to_owned(), value))
        .collect()
}

fn versions(components: &[(&str, u8)]) -> String {
    let shown: Vec<_> = components
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    shown.join(", ")
}

fn rejected(step: &'static str, reason: &str) -> Error {
    Error::new(step, reason)
}
