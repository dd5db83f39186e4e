use std::collections::{BTreeMap, BTreeSet};

/// Whom a caller trusts. A root that is nowhere verifies nothing.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roots {
    /// The roots of AMD that are part of this crate.
    pub amd: bool,
    /// `sha256:…` of made-up ARK certificates (DER) that were pinned.
    pub simulated: BTreeSet<String>,
    /// The same, of platforms for containers.
    pub simulated_containers: BTreeSet<String>,
}

/// What the evidence must hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Expected {
    /// What it was made over.
    pub report_data: [u8; 64],
    /// Digest of the launch manifest.
    pub manifest: [u8; 32],
    /// The lowest numbers of revocation lists that are still believed, by `sha256:…` of their authorities.
    pub floors: BTreeMap<String, u64>,
    /// The least privileged level of the guest whose reports are believed; the shield runs at 0.
    pub max_vmpl: u32,
    /// What may be lacking because the caller judges it afterwards, by [`Claims::lacks`](crate::Claims). What is there is
    /// judged all the same, and a list of which there is a floor is not excused.
    pub excused: BTreeSet<String>,
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
