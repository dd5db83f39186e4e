//! What AMD's key distribution service publishes for a report (specification 57230, "VCEK Certificate and KDS Interface",
//! chapter 4): the chain of the product line, its revocation list, and the VCEK of this chip at this TCB.

use super::chain::is_shipped;
use super::products::{GENOA, MILAN, PRODUCTS, Product, TURIN};
use super::report::Report;
use super::table::{ARK, ASK, Guid, Table, VCEK, VLEK, build};
use crate::entries::certificates;
use crate::expectations::hex;
use crate::wanted::Wanted;
use crate::x509::Certificate;
use crate::{Endorsements, Error};

/// What a verifier reads of a table.
const READ: [Guid; 4] = [ARK, ASK, VCEK, VLEK];

/// Nothing where a root came that is not AMD's.
///
/// A report of version 2 does not say its product line: without certificates it counts as Milan's.
pub fn wanted(data: &[u8], came: &Endorsements) -> Result<Vec<Wanted>, Error> {
    let report = Report::parse(data)?;
    let table = Table::parse_if_any(&came.certificates)?;
    if let Some(root) = table.get(&ARK) {
        if !is_shipped(&Certificate::parse(root, "ARK")?) {
            return Ok(Vec::new());
        }
    }
    let product = certified(&table)?.unwrap_or_else(|| product_of(&report));
    let folder = format!("amd/{}", product.label);
    let kind = if report.signed_with_vlek() { "vlek" } else { "vcek" };
    let mut names = vec![format!("{folder}/{kind}-chain.pem"), format!("{folder}/crl.der")];
    if !report.signed_with_vlek() {
        names.push(format!("{folder}/{}", vcek(&report, product)?));
    }
    Ok(names.into_iter().map(Wanted::from).collect())
}

/// A table: what came of it that a verifier reads, and of the cache what that has no entry for. What came is not a table:
/// as it is.
///
/// Other entries are left behind: a few KB of them may all name the same bytes, and would become many MB here.
pub fn joined(came: &[u8], cached: &[Vec<u8>]) -> Vec<u8> {
    join(came, cached).unwrap_or_else(|| came.to_vec())
}

fn join(came: &[u8], cached: &[Vec<u8>]) -> Option<Vec<u8>> {
    let table = Table::parse_if_any(came).ok()?;
    let mut entries: Vec<(Guid, Vec<u8>)> = table
        .entries()
        .filter(|(name, _)| READ.contains(name))
        .map(|(name, data)| (name, data.to_vec()))
        .collect();
    for data in cached {
        for found in certificates(data)? {
            let place = place(&found).filter(|place| entries.iter().all(|(taken, _)| taken != place));
            entries.extend(place.map(|place| (place, found.der)));
        }
    }
    build(&entries)
}

fn place(certificate: &Certificate) -> Option<Guid> {
    match certificate.common_name.as_str() {
        "SEV-VCEK" => Some(VCEK),
        "SEV-VLEK" => Some(VLEK),
        // Roots are part of this crate.
        name => name.starts_with("SEV-").then_some(ASK),
    }
}

/// As the name of the intermediate certificate says.
fn certified(table: &Table<'_>) -> Result<Option<&'static Product>, Error> {
    let Some(data) = table.get(&ASK) else { return Ok(None) };
    let name = Certificate::parse(data, "ASK")?.common_name;
    let line = name.strip_prefix("SEV-").unwrap_or(&name);
    let line = line.strip_prefix("VLEK-").unwrap_or(line).to_lowercase();
    Ok(PRODUCTS.into_iter().find(|product| product.label == line))
}

/// As CPUID says. Of family 19h: Bergamo and Siena are certified as Genoa (specification 56860, "CPUID_FAM_ID").
fn product_of(report: &Report<'_>) -> &'static Product {
    match (report.cpu_family(), report.cpu_model()) {
        (None, _) => &MILAN,
        (Some(family), _) if family == TURIN.family => &TURIN,
        (_, 0x00..=0x0f) => &MILAN,
        _ => &GENOA,
    }
}

/// Its name below the product line's folder.
fn vcek(report: &Report<'_>, product: &'static Product) -> Result<String, Error> {
    let chip = report.chip_id();
    if chip.iter().all(|byte| *byte == 0) {
        let reason = "the report hides its chip, so no VCEK of it can be asked for";
        return Err(Error::new("evidence.chip", reason));
    }
    let versions: Vec<_> = product
        .unpack(&report.reported_tcb())
        .iter()
        .map(|(_, version)| format!("{version:02x}"))
        .collect();
    let chip = hex(&chip[..product.chip_id_bytes]);
    Ok(format!("vcek/{chip}/{}.der", versions.join("-")))
}
