//! Attestation reports (SEV-SNP firmware ABI 56860, revision 1.58, table ATTESTATION_REPORT).
//!
//! All numbers are little-endian. Versions 2, 3 and 5 are read; each reserved field must be zero: what a later version
//! puts there is not silently ignored.

use super::products::Tcb;
use crate::Error;

pub const REPORT_BYTES: usize = 1184;
pub const SIGNED_BYTES: usize = 0x2a0;
const SECOND_COMPONENT: usize = SIGNED_BYTES + COMPONENT;
const ECDSA_P384_SHA384: u32 = 1;
/// Of r and s: little-endian, zero-extended.
const COMPONENT: usize = 72;
const CURVE_BYTES: usize = 48;
const MAX_VMPL: u32 = 3;

const POLICY_KNOWN: u64 = (1 << 26) - 1;
const POLICY_ALWAYS: u64 = 1 << 17;
const POLICY_MIGRATION: u64 = 1 << 18;
const POLICY_DEBUG: u64 = 1 << 19;
/// Bit 6 is reserved in revision 1.58, but firmware of Turin sets it: writes of the IOMMU are safe.
const PLATFORM_KNOWN: u64 = 0xff;
const FLAGS_KNOWN: u32 = 0b1_1111;
const VCEK: u32 = 0;
const VLEK: u32 = 1;

/// One report. Nothing of it is verified.
#[derive(Debug)]
pub struct Report<'a> {
    data: &'a [u8; REPORT_BYTES],
    pub version: u32,
    pub guest_policy: u64,
    pub platform_info: u64,
    pub vmpl: u32,
    flags: u32,
    /// r and s, each 48 bytes, big-endian.
    pub signature: [u8; 2 * CURVE_BYTES],
}

impl<'a> Report<'a> {
    /// `evidence.report` with the field that is not understood.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        let data: &[u8; REPORT_BYTES] = data
            .try_into()
            .map_err(|_| malformed("size", &format!("{REPORT_BYTES} bytes"), &data.len().to_string()))?;
        let version = u32_at(data, 0);
        if ![2, 3, 5].contains(&version) {
            return Err(malformed("version", "2, 3 or 5", &version.to_string()));
        }
        let algorithm = u32_at(data, 0x34);
        if algorithm != ECDSA_P384_SHA384 {
            return Err(malformed(
                "signature algorithm",
                "1 (ECDSA P-384 with SHA-384)",
                &algorithm.to_string(),
            ));
        }
        check_reserved(data, version)?;
        let report = Self {
            data,
            version,
            guest_policy: u64_at(data, 8),
            platform_info: u64_at(data, 0x40),
            vmpl: u32_at(data, 0x30),
            flags: u32_at(data, 0x48),
            signature: signature(data)?,
        };
        report.check_fields()?;
        Ok(report)
    }

    /// What the chip signs.
    pub fn signed(&self) -> &'a [u8] {
        &self.data[..SIGNED_BYTES]
    }

    pub fn signed_with_vlek(&self) -> bool {
        self.flags >> 2 & 0b111 == VLEK
    }

    pub fn debug(&self) -> bool {
        self.guest_policy & POLICY_DEBUG != 0
    }

    pub fn migration_agent(&self) -> bool {
        self.guest_policy & POLICY_MIGRATION != 0
    }

    pub fn guest_svn(&self) -> u32 {
        u32_at(self.data, 4)
    }

    pub fn family_id(&self) -> [u8; 16] {
        at(self.data, 0x10)
    }

    pub fn image_id(&self) -> [u8; 16] {
        at(self.data, 0x20)
    }

    pub fn report_data(&self) -> [u8; 64] {
        at(self.data, 0x50)
    }

    pub fn measurement(&self) -> [u8; 48] {
        at(self.data, 0x90)
    }

    pub fn host_data(&self) -> [u8; 32] {
        at(self.data, 0xc0)
    }

    pub fn id_key_digest(&self) -> [u8; 48] {
        at(self.data, 0xe0)
    }

    pub fn author_key_digest(&self) -> [u8; 48] {
        at(self.data, 0x110)
    }

    pub fn chip_id(&self) -> [u8; 64] {
        at(self.data, 0x1a0)
    }

    /// From version 3 on.
    pub fn cpu_family(&self) -> Option<u8> {
        (self.version >= 3).then(|| self.data[0x188])
    }

    /// Of that family.
    pub fn cpu_model(&self) -> u8 {
        self.data[0x189]
    }

    pub fn reported_tcb(&self) -> Tcb {
        at(self.data, 0x180)
    }

    pub fn launch_tcb(&self) -> Tcb {
        at(self.data, 0x1f0)
    }

    /// All four, by their names.
    pub fn tcb_versions(&self) -> [(&'static str, Tcb); 4] {
        [
            ("reported", self.reported_tcb()),
            ("current", at(self.data, 0x38)),
            ("committed", at(self.data, 0x1e0)),
            ("launch", self.launch_tcb()),
        ]
    }

    pub fn launch_mitigations(&self) -> u64 {
        u64_at(self.data, 0x1f8)
    }

    pub fn current_mitigations(&self) -> u64 {
        u64_at(self.data, 0x200)
    }

    fn check_fields(&self) -> Result<(), Error> {
        if self.guest_policy & POLICY_ALWAYS == 0 || self.guest_policy & !POLICY_KNOWN != 0 {
            let got = format!("{:#x}", self.guest_policy);
            return Err(malformed("guest policy", "bit 17 set, bits 26 and up clear", &got));
        }
        if self.platform_info & !PLATFORM_KNOWN != 0 {
            let got = format!("{:#x}", self.platform_info);
            return Err(malformed("platform info", "no reserved bit", &got));
        }
        if self.flags & !FLAGS_KNOWN != 0 || ![VCEK, VLEK].contains(&(self.flags >> 2 & 0b111)) {
            let got = format!("{:#x}", self.flags);
            return Err(malformed("key flags", "signed by VCEK or VLEK", &got));
        }
        // The host may ask too, as 0xFFFFFFFF.
        if self.vmpl > MAX_VMPL {
            return Err(malformed("VMPL", "0 to 3", &self.vmpl.to_string()));
        }
        Ok(())
    }
}

fn check_reserved(data: &[u8; REPORT_BYTES], version: u32) -> Result<(), Error> {
    let cpuid_end = if version >= 3 { 0x18b } else { 0x188 };
    let mitigations_end = if version >= 5 { 0x208 } else { 0x1f8 };
    let reserved = [
        0x4c..0x50,
        cpuid_end..0x1a0,
        0x1eb..0x1ec,
        0x1ef..0x1f0,
        mitigations_end..SIGNED_BYTES,
        SECOND_COMPONENT + COMPONENT..REPORT_BYTES,
    ];
    for range in reserved {
        if data[range.clone()].iter().any(|byte| *byte != 0) {
            let field = format!("reserved bytes {:#x} to {:#x}", range.start, range.end);
            return Err(malformed(&field, "zero", "something else"));
        }
    }
    Ok(())
}

fn signature(data: &[u8; REPORT_BYTES]) -> Result<[u8; 2 * CURVE_BYTES], Error> {
    let mut joined = [0; 2 * CURVE_BYTES];
    for (half, start) in joined
        .chunks_exact_mut(CURVE_BYTES)
        .zip([SIGNED_BYTES, SECOND_COMPONENT])
    {
        let (number, wide) = data[start..start + COMPONENT].split_at(CURVE_BYTES);
        if wide.iter().any(|byte| *byte != 0) {
            return Err(malformed("signature", "zero beyond 48 bytes", "something else"));
        }
        half.copy_from_slice(number);
        half.reverse();
    }
    Ok(joined)
}

fn at<const N: usize>(data: &[u8; REPORT_BYTES], offset: usize) -> [u8; N] {
    let mut found = [0; N];
    found.copy_from_slice(&data[offset..offset + N]);
    found
}

fn u32_at(data: &[u8; REPORT_BYTES], offset: usize) -> u32 {
    u32::from_le_bytes(at(data, offset))
}

fn u64_at(data: &[u8; REPORT_BYTES], offset: usize) -> u64 {
    u64::from_le_bytes(at(data, offset))
}

fn malformed(field: &str, expected: &str, got: &str) -> Error {
    Error::new(
        "evidence.report",
        format!("not an SEV-SNP report that is understood: {field}"),
    )
    .expected(expected)
    .got(got)
}
