//! SEV-SNP on kernels without configfs-tsm: /dev/sev-guest (Documentation/virt/coco/sev-guest.rst).

use std::fs::{File, OpenOptions};
use std::os::fd::AsFd;
use std::path::Path;

use casemate_sys::{SNP_ANSWER_BYTES, snp_extended_report};
use zeroize::Zeroizing;

use crate::{Binding, Error, Evidence, Format, Platform, host_data};

/// The driver's device.
pub const DEVICE: &str = "/dev/sev-guest";
/// Most bytes of certificates that the driver takes from the host (SEV_FW_BLOB_MAX_SIZE).
const CERTIFICATES_BYTES: usize = 0x4000;
/// Before the report in an answer: status, size, 24 reserved bytes (firmware ABI, MSG_REPORT_RSP).
const BEFORE_REPORT: usize = 32;
const REPORT_BYTES: usize = 1184;

/// The guest driver.
#[derive(Debug)]
pub struct SevGuest {
    device: File,
}

impl SevGuest {
    /// Opens the device at `path`.
    ///
    /// # Errors
    /// [`Error::Device`] where it cannot be opened.
    pub fn open(path: &Path) -> Result<Self, Error> {
        let device = OpenOptions::new().read(true).write(true).open(path);
        Ok(Self {
            device: device.map_err(Error::at(path))?,
        })
    }
}

impl Platform for SevGuest {
    fn evidence(&mut self, report_data: &[u8; 64]) -> Result<Evidence, Error> {
        let mut certificates = vec![0; CERTIFICATES_BYTES];
        let answer = snp_extended_report(self.device.as_fd(), report_data, &mut certificates);
        let answer = answer.map_err(Error::at(Path::new(DEVICE)))?;
        read(&answer, certificates)
    }

    fn binding(&self, evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error> {
        host_data(evidence, manifest)
    }

    fn derive_key(&mut self, _context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        Err(Error::Missing("sealing keys that we ask it for yet"))
    }
}

/// What an answer of the firmware holds, and the host's certificates as far as there are any.
fn read(answer: &[u8; SNP_ANSWER_BYTES], mut certificates: Vec<u8>) -> Result<Evidence, Error> {
    let number = |at: usize| u32::from_le_bytes([answer[at], answer[at + 1], answer[at + 2], answer[at + 3]]);
    match number(0) {
        0 => {}
        status => return Err(Error::Refused(format!("the firmware, with status {status:#x}"))),
    }
    if usize::try_from(number(4)) != Ok(REPORT_BYTES) {
        return Err(Error::Malformed("a report of the wrong size"));
    }
    if certificates.iter().all(|byte| *byte == 0) {
        certificates.clear();
    }
    Ok(Evidence {
        certificates,
        ..Evidence::of(
            Format::SevSnp,
            answer[BEFORE_REPORT..BEFORE_REPORT + REPORT_BYTES].to_vec(),
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(status: u32, size: u32) -> [u8; SNP_ANSWER_BYTES] {
        let mut answer = [0; SNP_ANSWER_BYTES];
        answer[..4].copy_from_slice(&status.to_le_bytes());
        answer[4..8].copy_from_slice(&size.to_le_bytes());
        answer[BEFORE_REPORT] = 5;
        answer[BEFORE_REPORT + REPORT_BYTES - 1] = 6;
        answer
    }

    #[test]
    fn the_report_lies_behind_status_and_size() {
        let evidence = read(&answer(0, 1184), vec![0; 8]).unwrap();
        assert_eq!(
            (evidence.report[0], evidence.report[1183], evidence.report.len()),
            (5, 6, 1184)
        );
        assert!(evidence.certificates.is_empty());
        let evidence = read(&answer(0, 1184), vec![0, 1, 0]).unwrap();
        assert_eq!(evidence.certificates, [0, 1, 0]);
        assert!(matches!(read(&answer(0x16, 1184), vec![]), Err(Error::Refused(_))));
        assert!(matches!(read(&answer(0, 1183), vec![]), Err(Error::Malformed(_))));
    }

    #[test]
    fn a_device_that_is_another_is_an_error() {
        assert!(matches!(SevGuest::open(Path::new("/none")), Err(Error::Device { .. })));
        let mut null = SevGuest::open(Path::new("/dev/null")).unwrap();
        assert!(matches!(null.evidence(&[0; 64]), Err(Error::Device { .. })));
    }
}
