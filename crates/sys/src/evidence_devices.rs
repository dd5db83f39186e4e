//! ioctl(2) of the devices that give evidence: /dev/sev-guest (linux/sev-guest.h) and /dev/nsm (linux/nsm.h).

use std::io;
use std::os::fd::{AsRawFd, BorrowedFd};

/// Bytes of an answer of the guest driver (struct snp_report_resp).
pub const SNP_ANSWER_BYTES: usize = 4000;
/// Most bytes of an answer of the Nitro Security Module (NSM_RESPONSE_MAX_SIZE).
pub const NSM_ANSWER_BYTES: usize = 0x3000;

/// _IOWR('S', 2, struct snp_guest_request_ioctl), _IOWR(0x0A, 0, struct nsm_raw): both structures have 32 bytes.
const SNP_GET_EXT_REPORT: libc::c_ulong = 0xC020_5302;
const NSM_RAW: libc::c_ulong = 0xC020_0A00;

/// struct snp_guest_request_ioctl.
#[repr(C)]
struct GuestRequest {
    version: u8,
    request: u64,
    response: u64,
    exit_info: u64,
}

/// struct snp_ext_report_req, with struct snp_report_req in it.
#[repr(C)]
struct ExtendedRequest {
    user_data: [u8; 64],
    level: u32,
    reserved: [u8; 28],
    certificates: u64,
    certificates_length: u32,
}

/// struct nsm_iovec.
#[repr(C)]
struct Part {
    address: u64,
    length: u64,
}

/// struct nsm_raw.
#[repr(C)]
struct Exchange {
    request: Part,
    response: Part,
}

/// An SEV-SNP report over `report_data` from privilege level 0, and the host's certificates, written to `certificates`.
/// The answer is that of the firmware: status, size, report.
///
/// # Errors
/// Those of the driver; where the host or the firmware refused, that is in the text.
pub fn snp_extended_report(
    device: BorrowedFd<'_>,
    report_data: &[u8; 64],
    certificates: &mut [u8],
) -> io::Result<Box<[u8; SNP_ANSWER_BYTES]>> {
    let mut answer = Box::new([0; SNP_ANSWER_BYTES]);
    let mut request = ExtendedRequest {
        user_data: *report_data,
        level: 0,
        reserved: [0; 28],
        certificates: certificates.as_mut_ptr() as u64,
        certificates_length: u32::try_from(certificates.len()).map_err(io::Error::other)?,
    };
    let mut outer = GuestRequest {
        version: 1,
        request: (&raw mut request) as u64,
        response: answer.as_mut_ptr() as u64,
        exit_info: 0,
    };
    // SAFETY: the three structures have the kernel's layout and outlive the call; the driver writes at most 4,000 bytes
    // to `answer` and at most the length that is given with it to `certificates`, which nobody else refers to.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), SNP_GET_EXT_REPORT as _, &raw mut outer) };
    if done >= 0 {
        return Ok(answer);
    }
    let error = io::Error::last_os_error();
    Err(match outer.exit_info {
        0 => error,
        code => io::Error::new(error.kind(), format!("{error}; host and firmware say {code:#x}")),
    })
}

/// Sends a request in CBOR to the Nitro Security Module; its answer, in CBOR.
///
/// # Errors
/// Those of the driver.
pub fn nsm_exchange(device: BorrowedFd<'_>, request: &[u8]) -> io::Result<Vec<u8>> {
    let mut answer = vec![0; NSM_ANSWER_BYTES];
    let mut exchange = Exchange {
        request: Part {
            address: request.as_ptr() as u64,
            length: request.len() as u64,
        },
        response: Part {
            address: answer.as_mut_ptr() as u64,
            length: answer.len() as u64,
        },
    };
    // SAFETY: the structure has the kernel's layout and outlives the call, as do both buffers; the driver reads the first
    // and writes at most the given length to the second, which nobody else refers to.
    let done = unsafe { libc::ioctl(device.as_raw_fd(), NSM_RAW as _, &raw mut exchange) };
    if done < 0 {
        return Err(io::Error::last_os_error());
    }
    let length = usize::try_from(exchange.response.length).map_err(io::Error::other)?;
    answer.truncate(length);
    Ok(answer)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::os::fd::AsFd;

    use super::*;

    #[test]
    fn structures_have_the_sizes_that_the_numbers_of_the_calls_name() {
        assert_eq!(size_of::<GuestRequest>(), 32);
        assert_eq!(size_of::<Exchange>(), 32);
        assert_eq!(size_of::<ExtendedRequest>(), 112);
    }

    #[test]
    fn a_file_that_is_no_such_device_is_an_error() {
        let null = File::open("/dev/null").unwrap();
        let error = snp_extended_report(null.as_fd(), &[0; 64], &mut [0; 16]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
        let error = nsm_exchange(null.as_fd(), &[0]).unwrap_err();
        assert_eq!(error.raw_os_error(), Some(libc::ENOTTY));
    }
}
