//! The X.509 around what a certificate carries (RFC 5280; spec/ra-tls.md, "Certificate").

use std::ops::Range;
use std::time::Duration;

use aws_lc_rs::rand::{SecureRandom, SystemRandom};
use aws_lc_rs::signature::EcdsaKeyPair;
use der::asn1::{
    AnyRef, BitString, ContextSpecific, GeneralizedTime, ObjectIdentifier, OctetString, SetOfVec, UtcTime,
    Utf8StringRef,
};
use der::{Choice, Encode, Sequence, TagMode, TagNumber, ValueOrd};

use crate::failure::{Exit, Failure};

/// Of the 64 KiB that a certificate may have (spec/ra-tls.md), what fits with all that is around it into a handshake
/// message of 65,535 bytes, the most that some implementations take.
pub const MAX_CERTIFICATE: usize = 65_000;

/// TCG DICE Attestation Architecture 1.1: a conceptual message wrapper.
const CONCEPTUAL_MESSAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.23.133.5.4.9");
const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
const ECDSA_WITH_SHA256: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.10045.4.3.2");
/// What is carried is of this type.
const TYPE: &str = "application/vnd.casemate.ra-tls+json";
/// Version 3, counted from 0.
const VERSION: u8 = 2;
/// No name counts; TLS libraries want one.
const NAME: &str = "casemate";
/// Bytes of a serial number: as random as a nonce, and fewer than RFC 5280, 4.1.2.2 allows.
const SERIAL: usize = 16;

#[derive(Sequence)]
struct Certificate<'a> {
    signed: AnyRef<'a>,
    algorithm: Algorithm,
    signature: BitString,
}

#[derive(Sequence)]
struct Signed<'a> {
    version: ContextSpecific<u8>,
    serial: der::asn1::Uint,
    algorithm: Algorithm,
    issuer: Vec<SetOfVec<NamePart<'a>>>,
    validity: Validity,
    subject: Vec<SetOfVec<NamePart<'a>>>,
    public_key: AnyRef<'a>,
    extensions: ContextSpecific<Vec<Extension>>,
}

#[derive(Clone, Sequence)]
struct Algorithm {
    name: ObjectIdentifier,
}

#[derive(Clone, PartialEq, Eq, Sequence, ValueOrd)]
struct NamePart<'a> {
    kind: ObjectIdentifier,
    value: Utf8StringRef<'a>,
}

#[derive(Sequence)]
struct Validity {
    start: Time,
    end: Time,
}

#[derive(Choice)]
enum Time {
    #[asn1(type = "UTCTime")]
    Utc(UtcTime),
    #[asn1(type = "GeneralizedTime")]
    General(GeneralizedTime),
}

#[derive(Sequence)]
struct Extension {
    name: ObjectIdentifier,
    #[asn1(default = "bool::default")]
    critical: bool,
    value: OctetString,
}

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
    let algorithm = Algorithm {
        name: ECDSA_WITH_SHA256,
    };
    let signed = Signed {
        version: explicit(0, VERSION),
        serial: der::asn1::Uint::new(&serial()?).ok()?,
        algorithm: algorithm.clone(),
        issuer: name()?,
        validity: Validity {
            start: time(times.start)?,
            end: time(times.end)?,
        },
        subject: name()?,
        public_key: AnyRef::try_from(public_key).ok()?,
        extensions: explicit(3, extensions(carried)?),
    };
    let signed = signed.to_der().ok()?;
    let certificate = Certificate {
        signed: AnyRef::try_from(signed.as_slice()).ok()?,
        algorithm,
        signature: BitString::from_bytes(&sign(&signed)?).ok()?,
    };
    certificate.to_der().ok()
}

fn explicit<T>(number: u32, value: T) -> ContextSpecific<T> {
    ContextSpecific {
        tag_number: TagNumber(number),
        tag_mode: TagMode::Explicit,
        value,
    }
}

/// Positive, and of one length.
fn serial() -> Option<[u8; SERIAL]> {
    let mut serial = [0; SERIAL];
    SystemRandom::new().fill(&mut serial).ok()?;
    serial[0] = serial[0] & 0x3f | 0x40;
    Some(serial)
}

fn name<'a>() -> Option<Vec<SetOfVec<NamePart<'a>>>> {
    let part = NamePart {
        kind: COMMON_NAME,
        value: Utf8StringRef::new(NAME).ok()?,
    };
    Some(vec![SetOfVec::try_from(vec![part]).ok()?])
}

/// UTCTime up to 2049, GeneralizedTime after it (RFC 5280, 4.1.2.5).
fn time(since_epoch: Duration) -> Option<Time> {
    let whole = Duration::from_secs(since_epoch.as_secs());
    let utc = UtcTime::from_unix_duration(whole).map(Time::Utc);
    utc.or_else(|_| GeneralizedTime::from_unix_duration(whole).map(Time::General))
        .ok()
}

fn extensions(carried: &[u8]) -> Option<Vec<Extension>> {
    // No authority: a sequence of nothing.
    let constraints = Extension {
        name: BASIC_CONSTRAINTS,
        critical: true,
        value: OctetString::new(vec![0x30, 0]).ok()?,
    };
    let evidence = Extension {
        name: CONCEPTUAL_MESSAGE,
        // Not critical, as it should be by the TCG: TLS libraries end a handshake over what they do not know.
        critical: false,
        value: OctetString::new(record(carried)).ok()?,
    };
    Some(vec![constraints, evidence])
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
