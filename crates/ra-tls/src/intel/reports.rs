//! What SGX enclaves and TDX trust domains say of themselves: the bodies of quotes.
//!
//! Sources: Intel SDM volume 3D, table REPORT (SGX); TDX module ABI, TDREPORT_STRUCT, as Intel's quoting library for
//! TDX (appendix A, "TD quote body") lays it out.

use super::reader::Reader;
use crate::Error;

pub const ENCLAVE_REPORT_BYTES: usize = 384;
pub const TD_REPORT_10_BYTES: usize = 584;
pub const TD_REPORT_15_BYTES: usize = 648;
/// Of an enclave's ATTRIBUTES (Intel SDM volume 3D, table "Layout of ATTRIBUTES Structure").
pub const ENCLAVE_DEBUG: u64 = 1 << 1;

/// `attributes` are 8 bytes of flags and 8 of XFRM.
#[derive(Debug, Clone)]
pub struct EnclaveReport {
    pub misc_select: [u8; 4],
    pub attributes: [u8; 16],
    pub mr_enclave: [u8; 32],
    pub mr_signer: [u8; 32],
    pub config_id: [u8; 64],
    pub isv_product: u16,
    pub isv_svn: u16,
    pub config_svn: u16,
    pub isv_family: [u8; 16],
    pub report_data: [u8; 64],
}

impl EnclaveReport {
    /// `evidence.quote` with what is not understood.
    pub fn parse(data: &[u8], what: &'static str) -> Result<Self, Error> {
        let mut reader = Reader::new(data, what);
        reader.take(16, "CPUSVN")?;
        let misc_select = reader.array("MISCSELECT")?;
        reader.zeros(12, "reserved field after MISCSELECT")?;
        reader.take(16, "ISVEXTPRODID")?;
        let attributes = reader.array("ATTRIBUTES")?;
        let mr_enclave = reader.array("MRENCLAVE")?;
        reader.zeros(32, "reserved field after MRENCLAVE")?;
        let mr_signer = reader.array("MRSIGNER")?;
        reader.zeros(32, "reserved field after MRSIGNER")?;
        let config_id = reader.array("CONFIGID")?;
        let isv_product = reader.u16("ISVPRODID")?;
        let isv_svn = reader.u16("ISVSVN")?;
        let config_svn = reader.u16("CONFIGSVN")?;
        reader.zeros(42, "reserved field after CONFIGSVN")?;
        let isv_family = reader.array("ISVFAMILYID")?;
        let report_data = reader.array("report data")?;
        reader.end()?;
        Ok(Self {
            misc_select,
            attributes,
            mr_enclave,
            mr_signer,
            config_id,
            isv_product,
            isv_svn,
            config_svn,
            isv_family,
            report_data,
        })
    }

    pub fn flags(&self) -> u64 {
        first_u64(&self.attributes)
    }

    /// The host can read its memory, and write to it.
    pub fn in_debug_mode(&self) -> bool {
        self.flags() & ENCLAVE_DEBUG != 0
    }
}

/// `tee_tcb_svn` are 16 security versions: of the TDX module's minor and major version, and of what is below it.
///
/// `current_tcb_svn` and `mr_service_td` are those of a TDX 1.5 module, None of an older one: the versions that run
/// now, while `tee_tcb_svn` are those that the domain was launched under.
#[derive(Debug, Clone)]
pub struct TdReport {
    pub tee_tcb_svn: [u8; 16],
    pub mr_seam: [u8; 48],
    pub mr_signer_seam: [u8; 48],
    pub seam_attributes: [u8; 8],
    pub attributes: [u8; 8],
    pub xfam: [u8; 8],
    pub mr_td: [u8; 48],
    pub mr_config_id: [u8; 48],
    pub mr_owner: [u8; 48],
    pub mr_owner_config: [u8; 48],
    pub rtmrs: [[u8; 48]; 4],
    pub report_data: [u8; 64],
    pub current_tcb_svn: Option<[u8; 16]>,
    pub mr_service_td: Option<[u8; 48]>,
}

impl TdReport {
    /// Of 584 bytes, or of 648. `evidence.quote` with what is not understood.
    pub fn parse(data: &[u8]) -> Result<Self, Error> {
        let mut reader = Reader::new(data, "the TD report");
        let mut report = Self {
            tee_tcb_svn: reader.array("TEE_TCB_SVN")?,
            mr_seam: reader.array("MRSEAM")?,
            mr_signer_seam: reader.array("MRSIGNERSEAM")?,
            seam_attributes: reader.array("SEAMATTRIBUTES")?,
            attributes: reader.array("attributes")?,
            xfam: reader.array("XFAM")?,
            mr_td: reader.array("MRTD")?,
            mr_config_id: reader.array("MRCONFIGID")?,
            mr_owner: reader.array("MROWNER")?,
            mr_owner_config: reader.array("MROWNERCONFIG")?,
            rtmrs: [
                reader.array("RTMR0")?,
                reader.array("RTMR1")?,
                reader.array("RTMR2")?,
                reader.array("RTMR3")?,
            ],
            report_data: reader.array("report data")?,
            current_tcb_svn: None,
            mr_service_td: None,
        };
        if data.len() > TD_REPORT_10_BYTES {
            report.current_tcb_svn = Some(reader.array("TEE_TCB_SVN2")?);
            report.mr_service_td = Some(reader.array("MRSERVICETD")?);
        }
        reader.end()?;
        Ok(report)
    }

    pub fn flags(&self) -> u64 {
        u64::from_le_bytes(self.attributes)
    }

    /// As if the domain had been launched under what runs now; itself, where the module does not tell.
    pub fn as_of_now(&self) -> Self {
        Self {
            tee_tcb_svn: self.current_tcb_svn.unwrap_or(self.tee_tcb_svn),
            ..self.clone()
        }
    }
}

fn first_u64(bytes: &[u8; 16]) -> u64 {
    let [first, second, third, fourth, fifth, sixth, seventh, eighth, ..] = *bytes;
    u64::from_le_bytes([first, second, third, fourth, fifth, sixth, seventh, eighth])
}
