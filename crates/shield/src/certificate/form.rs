//! The certificate around what it carries (spec/ra-tls.md, "Certificate").

use std::ops::Range;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::EcdsaKeyPair;
use casemate_wire::certificate::{Form, SERIAL_BYTES};

use crate::failure::{Exit, Failure};

/// Of the 64 KiB that a certificate may have (spec/ra-tls.md), what fits with all that is around it into a handshake
/// message of 65,535 bytes, the most that some implementations take.
pub const MAX_CERTIFICATE: usize = 65_000;

/// What is carried is of this type.
const TYPE: &str = "application/vnd.casemate.ra-tls+json";

/// A certificate, DER, of the key `public_key` (SubjectPublicKeyInfo, DER), valid at `times` after the epoch, with what it
/// carries. `sign` signs with that key.
///
/// # Errors
/// [`Exit::Platform`] when there is no randomness.
pub fn certificate(
    public_key: &[u8],
    carried: &[u8],
    times: Range<Duration>,
    sign: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> Result<Vec<u8>, Failure> {
    let made = encoded(public_key, carried, times, sign);
    made.ok_or_else(|| Failure::new(Exit::Platform, "a certificate cannot be made"))
}

/// ECDSA over P-256 with SHA-256, in the form of X.509.
pub fn sign(pair: &EcdsaKeyPair, message: &[u8]) -> Option<Vec<u8>> {
    let signature = pair.sign(&SystemRandom::new(), message).ok()?;
    Some(signature.as_ref().to_vec())
}

fn encoded(
    public_key: &[u8],
    carried: &[u8],
    times: Range<Duration>,
    sign: &dyn Fn(&[u8]) -> Option<Vec<u8>>,
) -> Option<Vec<u8>> {
    let form = Form {
        serial: serial()?,
        start: i64::try_from(times.start.as_secs()).ok()?,
        end: i64::try_from(times.end.as_secs()).ok()?,
        public_key,
        value: &record(carried),
    };
    let signed = form.signed()?;
    Some(casemate_wire::certificate::certificate(&signed, &sign(&signed)?))
}

/// Positive, and of one length.
fn serial() -> Option<[u8; SERIAL_BYTES]> {
    let mut serial = [0; SERIAL_BYTES];
    SystemRandom::new().fill(&mut serial).ok()?;
    serial[0] = serial[0] & 0x3f | 0x40;
    Some(serial)
}

/// `[type, bytes]` as CBOR (spec/evidence.md, "Wrappers and certificates").
fn record(value: &[u8]) -> Vec<u8> {
    let mut record = vec![0x82];
    record.extend(head(0x60, TYPE.len()));
    record.extend_from_slice(TYPE.as_bytes());
    record.extend(head(0x40, value.len()));
    record.extend_from_slice(value);
    record
}

/// The shortest head of an item (RFC 8949, section 4.2.1).
fn head(major: u8, length: usize) -> Vec<u8> {
    let bytes = (length as u64).to_be_bytes();
    match length {
        0..24 => vec![major | bytes[7]],
        24..0x100 => vec![major | 24, bytes[7]],
        0x100..0x1_0000 => [&[major | 25], &bytes[6..]].concat(),
        0x1_0000..0x1_0000_0000 => [&[major | 26], &bytes[4..]].concat(),
        _ => [&[major | 27], &bytes[..]].concat(),
    }
}
