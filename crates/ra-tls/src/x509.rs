//! X.509 certificates (RFC 5280): read at once and completely, so that nothing is left to be parsed later.
//!
//! DER is read by `x509-cert`, which takes no other spelling. How each vendor signs is in its platform's folder.

use std::collections::BTreeSet;
use std::fmt;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use casemate_wire::encoding::{digest_text, sha256};
use x509_cert::Version;
use x509_cert::attr::AttributeTypeAndValue;
use x509_cert::der::asn1::{Any, AnyRef, ObjectIdentifier, PrintableStringRef};
use x509_cert::der::{DateTime, Decode, Encode, Reader, SliceReader, Tag, Tagged};
use x509_cert::ext::Extensions;
use x509_cert::ext::pkix::constraints::{BasicConstraints, NameConstraints, PolicyConstraints};
use x509_cert::ext::pkix::name::GeneralNames;
use x509_cert::ext::pkix::{
    AuthorityInfoAccessSyntax, AuthorityKeyIdentifier, CertificatePolicies, CrlDistributionPoints, ExtendedKeyUsage,
    KeyUsage, PolicyMappings, SubjectKeyIdentifier,
};
use x509_cert::time::Time;

use crate::Error;
use crate::keys::is_readable as is_readable_key;

const STEP: &str = "evidence.certificates";

const BASIC_CONSTRAINTS: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.19");
const KEY_USAGE: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.15");
const COMMON_NAME: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.4.3");
/// Protocols that a "TLS feature" may name (RFC 7633): status_request and status_request_v2.
const TLS_FEATURES: [u16; 2] = [5, 17];

const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

/// A certificate. Nothing of it is verified.
#[derive(Debug, Clone)]
pub struct Certificate {
    /// The whole.
    pub der: Vec<u8>,
    pub subject: Name,
    pub issuer: Name,
    /// The only common name; empty where there is none, or several.
    pub common_name: String,
    /// DER of the number, without its head.
    pub serial: Vec<u8>,
    /// Unix seconds.
    pub start: i64,
    pub end: i64,
    /// SubjectPublicKeyInfo, DER.
    pub public_key: Vec<u8>,
    pub authority: bool,
    /// None: no limit.
    pub path_length: Option<u8>,
    pub signs_certificates: bool,
    pub signs_lists: bool,
    /// Anything but certificates and lists.
    pub signs_data: bool,
    pub signed: Vec<u8>,
    /// Of whole bytes, and by the algorithm that is under it as well (RFC 5280, section 4.1.1.2): what stands beside a
    /// signature is covered by nothing. Else empty, which is nobody's signature.
    pub signature: Vec<u8>,
    /// AlgorithmIdentifier, DER, as it is signed.
    pub algorithm: Vec<u8>,
    /// Those that X.509 does not define.
    extensions: Vec<(ObjectIdentifier, Vec<u8>)>,
}

impl Certificate {
    /// From DER or PEM. `what` is for people.
    pub fn parse(data: &[u8], what: &str) -> Result<Self, Error> {
        Self::parse_where(&[], data, what)
    }

    /// The same, where extensions of these names may be critical, because the caller has no need of what they say.
    pub fn parse_where(understood: &[ObjectIdentifier], data: &[u8], what: &str) -> Result<Self, Error> {
        if !data.starts_with(BEGIN.as_bytes()) {
            return Self::from_der(understood, data, what);
        }
        let der = from_pem(data).ok_or_else(|| unreadable(what))?;
        Self::from_der(understood, &der, what)
    }

    fn from_der(understood: &[ObjectIdentifier], der: &[u8], what: &str) -> Result<Self, Error> {
        Self::read(understood, der).map_err(|problem| match problem {
            Problem::Unreadable => unreadable(what),
            Problem::Critical(name) => Error::new(
                STEP,
                format!("the {what} has a critical extension that is not understood"),
            )
            .got(name),
        })
    }

    fn read(understood: &[ObjectIdentifier], der: &[u8]) -> Result<Self, Problem> {
        let loaded = x509_cert::Certificate::from_der(der)?;
        let body = loaded.tbs_certificate();
        // The library reads what DER does not write, as sets in another order and defaults (X.690, section 11).
        if body.version() != Version::V3 || loaded.to_der()? != der {
            return Err(Problem::Unreadable);
        }
        let is_said = loaded.signature_algorithm() == body.signature();
        let signature = loaded.signature().as_bytes().filter(|_| is_said);
        let known = Known::read(understood, body.extensions())?;
        let usage = known.usage;
        let subject = Name::read(body.subject())?;
        Ok(Self {
            der: der.to_vec(),
            common_name: subject.common_name(),
            subject,
            issuer: Name::read(body.issuer())?,
            serial: body.serial_number().as_bytes().to_vec(),
            start: seconds(body.validity().not_before),
            end: seconds(body.validity().not_after),
            public_key: body.subject_public_key_info().to_der()?,
            authority: known.constraints.as_ref().is_some_and(|found| found.ca),
            path_length: known.constraints.and_then(|found| found.path_len_constraint),
            signs_certificates: usage.as_ref().is_some_and(KeyUsage::key_cert_sign),
            signs_lists: usage.as_ref().is_some_and(KeyUsage::crl_sign),
            signs_data: usage.as_ref().is_some_and(KeyUsage::digital_signature),
            signed: first_item(der)?,
            signature: signature.unwrap_or_default().to_vec(),
            algorithm: body.signature().to_der()?,
            extensions: known.others,
        })
    }

    /// The same, if its key is one of those that vendors have, and can be read.
    pub fn with_key(self, what: &str) -> Result<Self, Error> {
        if is_readable_key(&self.public_key) {
            return Ok(self);
        }
        Err(unreadable(what))
    }

    /// Whether it may sign certificates that have `below` authorities behind them, the first of which it signs (RFC 5280,
    /// sections 4.2.1.3 and 4.2.1.9).
    pub fn may_certify(&self, below: usize) -> bool {
        let within = self.path_length.is_none_or(|most| below <= usize::from(most));
        self.authority && self.signs_certificates && within
    }

    /// The value of an extension that X.509 does not define.
    pub fn extension(&self, name: &ObjectIdentifier) -> Option<&[u8]> {
        let found = self.extensions.iter().find(|(oid, _)| oid == name);
        found.map(|(_, value)| value.as_slice())
    }

    /// All of those, by their names.
    pub fn extensions(&self) -> impl Iterator<Item = (&ObjectIdentifier, &[u8])> {
        self.extensions.iter().map(|(oid, value)| (oid, value.as_slice()))
    }

    /// `sha256:…` of the whole.
    pub fn fingerprint(&self) -> String {
        digest_text(&sha256(&self.der))
    }
}

/// Why a certificate cannot be read.
enum Problem {
    Unreadable,
    /// An extension that must be understood, and is not (RFC 5280, section 4.2).
    Critical(String),
}

impl From<x509_cert::der::Error> for Problem {
    fn from(_: x509_cert::der::Error) -> Self {
        Self::Unreadable
    }
}

/// What X.509 says about the key's use, of which every critical part must be understood; and the rest.
#[derive(Default)]
struct Known {
    constraints: Option<BasicConstraints>,
    usage: Option<KeyUsage>,
    others: Vec<(ObjectIdentifier, Vec<u8>)>,
}

impl Known {
    fn read(understood: &[ObjectIdentifier], extensions: Option<&Extensions>) -> Result<Self, Problem> {
        let mut known = Self::default();
        let mut names = BTreeSet::new();
        for extension in extensions.into_iter().flatten() {
            // Each stands there once (RFC 5280, section 4.2).
            if !names.insert(extension.extn_id) {
                return Err(Problem::Unreadable);
            }
            let value = extension.extn_value.as_bytes();
            match extension.extn_id {
                BASIC_CONSTRAINTS => known.constraints = Some(BasicConstraints::from_der(value)?),
                KEY_USAGE => known.usage = Some(KeyUsage::from_der(value)?),
                other if extension.critical && !understood.contains(&other) => {
                    return Err(Problem::Critical(other.to_string()));
                }
                other => match is_readable(other, value) {
                    None => known.others.push((other, value.to_vec())),
                    Some(true) => {}
                    Some(false) => return Err(Problem::Unreadable),
                },
            }
        }
        Ok(known)
    }
}

/// Of an extension that X.509 defines, and that we have no need of, whether it is what its name says; None of another.
pub fn is_readable(name: ObjectIdentifier, value: &[u8]) -> Option<bool> {
    Some(match name.to_string().as_str() {
        "2.5.29.14" => SubjectKeyIdentifier::from_der(value).is_ok(),
        "2.5.29.35" => AuthorityKeyIdentifier::from_der(value).is_ok(),
        "2.5.29.17" | "2.5.29.18" => GeneralNames::from_der(value).is_ok(),
        "2.5.29.30" => NameConstraints::from_der(value).is_ok(),
        "2.5.29.31" | "2.5.29.46" => CrlDistributionPoints::from_der(value).is_ok(),
        "2.5.29.32" => CertificatePolicies::from_der(value).is_ok(),
        "2.5.29.33" => PolicyMappings::from_der(value).is_ok(),
        "2.5.29.36" => PolicyConstraints::from_der(value).is_ok(),
        "2.5.29.37" => ExtendedKeyUsage::from_der(value).is_ok(),
        "1.3.6.1.5.5.7.1.1" | "1.3.6.1.5.5.7.1.11" => AuthorityInfoAccessSyntax::from_der(value).is_ok(),
        "1.3.6.1.5.5.7.1.24" => {
            Vec::<u16>::from_der(value).is_ok_and(|named| named.iter().all(|number| TLS_FEATURES.contains(number)))
        }
        _ => return None,
    })
}

/// A distinguished name by what it says: the same text in another type of string is the same name.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Name(Vec<Vec<(ObjectIdentifier, Value)>>);

#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
enum Value {
    Text(String),
    Bytes(Vec<u8>),
}

impl Name {
    /// From what the library read.
    pub fn read(name: &x509_cert::name::Name) -> Result<Self, x509_cert::der::Error> {
        let parts = name.iter_rdn().map(|part| {
            let mut part = part.iter().map(attribute).collect::<Result<Vec<_>, _>>()?;
            part.sort();
            if part.is_empty() || part.windows(2).any(|pair| pair[0] == pair[1]) {
                return Err(Tag::Set.value_error().into());
            }
            Ok(part)
        });
        parts.collect::<Result<_, _>>().map(Self)
    }

    /// Whether any part of it is this text.
    pub fn says(&self, wanted: &str) -> bool {
        let mut values = self.0.iter().flatten().map(|(_, value)| value);
        values.any(|value| matches!(value, Value::Text(text) if text == wanted))
    }

    /// The only one; empty where there is none, or several.
    pub fn common_name(&self) -> String {
        let mut found = self.0.iter().flatten().filter(|(name, _)| *name == COMMON_NAME);
        match (found.next(), found.next()) {
            (Some((_, Value::Text(text))), None) => text.clone(),
            _ => String::new(),
        }
    }
}

fn attribute(attribute: &AttributeTypeAndValue) -> Result<(ObjectIdentifier, Value), x509_cert::der::Error> {
    Ok((attribute.oid, value_of(&attribute.value)?))
}

/// Only strings name somebody (X.520); a certificate with anything else there is none.
fn value_of(value: &Any) -> Result<Value, x509_cert::der::Error> {
    let bytes = value.value();
    let text = match value.tag() {
        Tag::BitString => return Ok(Value::Bytes(bytes.to_vec())),
        Tag::PrintableString => Some(value.decode_as::<PrintableStringRef<'_>>()?.as_str().to_owned()),
        Tag::BmpString => utf16(bytes),
        Tag::Utf8String | Tag::Ia5String | Tag::TeletexString | Tag::NumericString | Tag::VisibleString => {
            String::from_utf8(bytes.to_vec()).ok()
        }
        _ => None,
    };
    text.map(Value::Text).ok_or_else(|| value.tag().value_error().into())
}

fn utf16(bytes: &[u8]) -> Option<String> {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| u16::from_be_bytes([pair[0], pair[1]]))
        .collect();
    String::from_utf16(&units).ok().filter(|_| bytes.len() % 2 == 0)
}

/// The first item in the sequence that `der` is, as it stands there: what is under a signature.
pub fn first_item(der: &[u8]) -> Result<Vec<u8>, x509_cert::der::Error> {
    let content = AnyRef::from_der(der)?.value();
    SliceReader::new(content)?.tlv_bytes().map(<[u8]>::to_vec)
}

/// Unix seconds.
pub fn seconds(time: Time) -> i64 {
    // Of a year that has four digits.
    i64::try_from(time.to_unix_duration().as_secs()).unwrap_or(i64::MAX)
}

/// For people: `2026-11-23T08:15:00Z`.
pub fn time_text(seconds: i64) -> String {
    let since = u64::try_from(seconds).ok().map(std::time::Duration::from_secs);
    let moment = since.and_then(|since| DateTime::from_unix_duration(since).ok());
    moment.map_or_else(|| format!("{seconds} seconds after 1970"), |moment| moment.to_string())
}

/// One certificate in PEM, as the Python package has it (certificates.py, `der_of`).
fn from_pem(data: &[u8]) -> Option<Vec<u8>> {
    let [der] = der_parts(data)?.try_into().ok()?;
    Some(der).filter(|der: &Vec<u8>| !der.is_empty())
}

/// DER of each certificate in PEM (RFC 7468, "strict"), with nothing else around, between and in them: no text, no blanks,
/// no second spelling of base64.
pub fn der_parts(pem: &[u8]) -> Option<Vec<Vec<u8>>> {
    let mut rest = std::str::from_utf8(pem).ok()?;
    let mut parts = Vec::new();
    while !rest.is_empty() {
        let (body, behind) = without_end(rest.strip_prefix(BEGIN)?)?.split_once(END)?;
        if body.is_empty() {
            return None;
        }
        // Else anything but base64 would be in it.
        let plain = body.replace(['\r', '\n'], "");
        parts.push(STANDARD.decode(plain).ok()?);
        rest = without_end(behind).unwrap_or(behind);
    }
    Some(parts)
}

/// What is behind the end of a line.
fn without_end(text: &str) -> Option<&str> {
    text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n'))
}

/// That endorsements hold at a time.
pub fn check_covers(start: i64, end: i64, at: i64, what: &(impl fmt::Display + ?Sized)) -> Result<(), Error> {
    if (start..=end).contains(&at) {
        return Ok(());
    }
    Err(Error::new(
        "evidence.validity",
        format!("the {what} does not cover the time of the check"),
    )
    .expected(format!("{} to {}", time_text(start), time_text(end)))
    .got(time_text(at)))
}

fn unreadable(what: &str) -> Error {
    Error::new(STEP, format!("the {what} cannot be read"))
}

#[cfg(test)]
mod tests {

    use x509_cert::der::asn1::OctetString;
    use x509_cert::ext::Extension;

    use super::*;
    use crate::vectors::{hex, json, ours};

    fn known(extensions: &[(&str, bool, &[u8])]) -> Result<Known, Problem> {
        let all = extensions.iter().map(|(name, critical, value)| Extension {
            extn_id: ObjectIdentifier::new_unwrap(name),
            critical: *critical,
            extn_value: OctetString::new(*value).unwrap(),
        });
        Known::read(&[], Some(&all.collect()))
    }

    #[test]
    fn extensions_are_understood_readable_and_there_once() {
        const UNKNOWN: &str = "1.2.3.4";
        const NAMES: &str = "2.5.29.17";
        assert_eq!(known(&[(UNKNOWN, false, b"x")]).ok().unwrap().others.len(), 1);
        assert!(matches!(known(&[(UNKNOWN, true, b"x")]), Err(Problem::Critical(name)) if name == UNKNOWN));
        let twice = (UNKNOWN, false, &b"x"[..]);
        assert!(matches!(known(&[twice, twice]), Err(Problem::Unreadable)));
        assert!(known(&[(NAMES, false, b"\x30\x03\x82\x01a")]).is_ok());
        assert!(matches!(known(&[(NAMES, false, b"x")]), Err(Problem::Unreadable)));
    }

    #[test]
    fn what_is_no_der_cannot_be_read() {
        const ARK: &[u8] = include_bytes!("../../../spec/vectors/sev-snp/certificates/milan-vcek-v2.ark.der");
        assert!(Certificate::parse(ARK, "ARK").is_ok());
        // Of an extension that is critical: that it is not, which is not written.
        let place = ARK.windows(4).position(|part| part == b"\x01\x01\xff\x04").unwrap();
        let mut other = ARK.to_vec();
        other[place + 2] = 0;
        assert_eq!(Certificate::parse(&other, "ARK").unwrap_err().step, STEP);
    }

    #[test]
    fn a_name_says_nothing_twice() {
        let read = |second: &[u8]| {
            let first: &[u8] = b"\x30\x16\x31\x14\x30\x08\x06\x03\x55\x04\x03\x0c\x01a";
            let name = [first, b"\x30\x08\x06\x03\x55\x04\x03", second].concat();
            Name::read(&x509_cert::name::Name::from_der(&name).unwrap())
        };
        assert!(read(b"\x0c\x01b").is_ok());
        // In another type of string.
        assert!(read(b"\x13\x01a").is_err());
    }

    #[test]
    fn pem_is_read_as_the_vectors_say() {
        let file = json(&ours("pem.json"));
        let hex = |text: &serde_json::Value| hex(text.as_str().unwrap());
        for case in file["good"].as_array().unwrap() {
            assert_eq!(
                from_pem(&hex(&case["text"])),
                Some(hex(&case["der"])),
                "{}",
                case["name"]
            );
        }
        for case in file["hostile"].as_array().unwrap() {
            assert_eq!(from_pem(&hex(&case["text"])), None, "{}", case["name"]);
        }
    }

    #[test]
    fn pem_may_hold_several() {
        let one = format!("{BEGIN}\nAAAA\n{END}");
        let two = format!("{one}\n{one}");
        assert_eq!(der_parts(two.as_bytes()), Some(vec![vec![0; 3]; 2]));
        for other in [
            format!("{two}\n\n"),
            format!("{one}\n {one}"),
            format!("{BEGIN}\n{END}"),
        ] {
            assert_eq!(der_parts(other.as_bytes()), None);
        }
        assert_eq!(der_parts(b""), Some(vec![]));
    }

    fn value(tag: Tag, bytes: &[u8]) -> Option<Value> {
        value_of(&Any::new(tag, bytes).unwrap()).ok()
    }

    #[test]
    fn the_same_text_in_another_type_of_string_is_the_same() {
        let text = Some(Value::Text("ab".to_owned()));
        for tag in [
            Tag::Utf8String,
            Tag::PrintableString,
            Tag::Ia5String,
            Tag::TeletexString,
        ] {
            assert_eq!(value(tag, b"ab"), text, "{tag}");
        }
        assert_eq!(value(Tag::BmpString, b"\0a\0b"), text);
    }

    #[test]
    fn what_is_no_string_names_nobody() {
        for (tag, bytes) in [
            (Tag::Integer, &b"\x01"[..]),
            (Tag::OctetString, b"ab"),
            (Tag::Sequence, b""),
            (Tag::PrintableString, b"a@b"),
            (Tag::Utf8String, b"\xff"),
            (Tag::BmpString, b"\0a\0"),
        ] {
            assert_eq!(value(tag, bytes), None, "{tag}");
        }
    }
}
