use std::collections::{BTreeMap, BTreeSet};

use crate::Error;

/// Whom a caller trusts. A root that is nowhere verifies nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    /// The roots of AMD that are part of this crate.
    pub amd: bool,
    /// The root of Intel that is.
    pub intel: bool,
    /// The root of AWS that is.
    pub aws: bool,
    /// The roots of Google that are, which endorse the TPMs of its machines.
    pub google: bool,
    /// `sha256:…` of made-up ARK certificates (DER) that were pinned.
    pub simulated: BTreeSet<String>,
    /// The same, of platforms for containers.
    pub simulated_containers: BTreeSet<String>,
}

impl Roots {
    /// Every vendor's whose roots are part of this crate, and no simulated platform's.
    #[must_use]
    pub fn shipped() -> Self {
        Self {
            amd: true,
            intel: true,
            aws: true,
            google: true,
            ..Self::default()
        }
    }
}

/// What the evidence must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What it was made over.
    pub report_data: [u8; 64],
    /// Digest of the launch manifest.
    pub manifest: [u8; 32],
    /// The lowest numbers of what endorses evidence that are still believed, by the names of
    /// [`Claims::seen`](crate::Claims) and [`Claims::chosen`](crate::Claims).
    pub floors: BTreeMap<String, u64>,
    /// The least privileged level of the guest whose reports are believed; the shield runs at 0.
    pub max_vmpl: u32,
    /// What may be lacking because the caller judges it afterwards, by [`Claims::lacks`](crate::Claims). What is there is
    /// judged all the same, and a list of which there is a floor is not excused.
    pub excused: BTreeSet<String>,
}

/// That evidence is for the expected manifest, at `step`, and report data. Both as its platform has them: the expected ones
/// in that form, and what the evidence holds.
pub fn check_expected(step: &'static str, manifest: [&[u8]; 2], report_data: [&[u8]; 2]) -> Result<(), Error> {
    for (step, reason, [wanted, got]) in [
        (step, "started for another manifest", manifest),
        (
            "evidence.report_data",
            "made for another purpose, custodian, nonce or key",
            report_data,
        ),
    ] {
        if !is_expected(wanted, got) {
            return Err(Error::new(step, reason).expected(hex(wanted)).got(hex(got)));
        }
    }
    Ok(())
}

/// Whether two values are the same, in constant time.
pub fn is_expected(wanted: &[u8], got: &[u8]) -> bool {
    aws_lc_rs::constant_time::verify_slices_are_equal(wanted, got).is_ok()
}

/// Lower-case hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    let digit = |nibble: u8| char::from_digit(u32::from(nibble), 16).unwrap_or_default();
    bytes
        .iter()
        .flat_map(|byte| [digit(byte >> 4), digit(byte & 15)])
        .collect()
}
