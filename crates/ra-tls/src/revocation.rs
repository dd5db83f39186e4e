//! Revocation lists (RFC 5280, section 5): read, verified, and the newest of each authority chosen.
//!
//! An entry may name the issuer of what it revokes (an indirect list): AMD's one list a root names intermediate
//! certificates by their serial numbers, and report keys, which all have the serial number 0, only in that way. Intel's
//! lists all have the number 1, so among those of one number the youngest is the newest.

use std::collections::{BTreeSet, HashSet};

use x509_cert::Version;
use x509_cert::crl::{CertificateList, RevokedCert};
use x509_cert::der::asn1::ObjectIdentifier;
use x509_cert::der::{Decode, Encode};
use x509_cert::ext::pkix::name::{GeneralName, GeneralNames};
use x509_cert::ext::pkix::{CrlNumber, CrlReason, IssuingDistributionPoint};

use crate::Error;
use crate::x509::{Certificate, Name, first_item, is_readable, seconds};

/// Real lists are below 2 KiB.
const MAX_LIST_BYTES: usize = 64 * 1024;
/// Floors are kept as JSON, whose numbers end there (RFC 8785); real numbers are below a thousand.
const MAX_NUMBER: u64 = (1 << 53) - 1;

const STEP: &str = "evidence.crl";

const CRL_NUMBER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.20");
const DELTA_INDICATOR: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.27");
const DISTRIBUTION_POINT: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.28");
const REASON: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.21");
const CERTIFICATE_ISSUER: ObjectIdentifier = ObjectIdentifier::new_unwrap("2.5.29.29");

/// A list that its issuer signed.
#[derive(Debug)]
pub struct RevocationList {
    pub number: u64,
    /// Unix seconds.
    pub start: i64,
    pub end: i64,
    revoked: HashSet<(Name, Vec<u8>)>,
}

impl RevocationList {
    pub fn revokes(&self, certificate: &Certificate) -> bool {
        self.revoked
            .contains(&(certificate.issuer.clone(), certificate.serial.clone()))
    }
}

/// Whether an authority signed bytes, in the way of its vendor: authority, bytes, signature.
pub type Holds = fn(&Certificate, &[u8], &[u8]) -> bool;

/// Of each of these authorities the list with the highest number, the youngest of several; None where none came. No list
/// is anybody else's.
pub fn newest_lists<'a>(
    lists: impl IntoIterator<Item = &'a Vec<u8>>,
    authorities: &[&Certificate],
    holds: Holds,
) -> Result<Vec<Option<RevocationList>>, Error> {
    let mut newest: Vec<Option<RevocationList>> = authorities.iter().map(|_| None).collect();
    for data in lists {
        let (place, found) = parse(data, authorities, holds)?;
        let newer = newest[place]
            .as_ref()
            .is_none_or(|known| (found.number, found.start) > (known.number, known.start));
        if newer {
            newest[place] = Some(found);
        }
    }
    Ok(newest)
}

/// That no list is older than one that was seen before of its authority, or left out since then, even where the caller
/// excuses that: whoever is revoked would just send none.
pub fn check_floor(found: Option<&RevocationList>, floor: Option<u64>) -> Result<(), Error> {
    let Some(floor) = floor else { return Ok(()) };
    let got = match found {
        Some(list) if list.number >= floor => return Ok(()),
        Some(list) => list.number.to_string(),
        None => "none".to_owned(),
    };
    Err(Error::new(
        "evidence.crl_floor",
        "an older revocation list than one seen before, or none",
    )
    .expected(format!("at least {floor}"))
    .got(got))
}

/// Whether these bytes are a list, whoever wrote it: with a number, an end, and an issuer of one name.
pub fn is_list(data: &[u8]) -> bool {
    let Ok(list) = read(data) else { return false };
    let said = list.tbs_cert_list;
    let all = said.crl_extensions.unwrap_or_default();
    let mut names = BTreeSet::new();
    let readable = all.iter().all(|extension| {
        let value = extension.extn_value.as_bytes();
        names.insert(extension.extn_id) && is_readable(extension.extn_id, value) != Some(false)
    });
    let number = all.iter().find(|extension| extension.extn_id == CRL_NUMBER);
    let numbered = number.is_some_and(|found| CrlNumber::from_der(found.extn_value.as_bytes()).is_ok());
    let named = Name::read(&said.issuer).is_ok_and(|issuer| !issuer.common_name().is_empty());
    readable && numbered && named && said.next_update.is_some()
}

fn read(data: &[u8]) -> Result<CertificateList, Error> {
    let list = CertificateList::from_der(data).map_err(unreadable)?;
    // The library reads what DER does not write (X.690, section 11).
    if list.to_der().map_err(unreadable)? != data {
        return Err(unreadable(()));
    }
    // What stands beside the signature is covered by nothing (RFC 5280, section 5.1.1.2).
    if list.signature_algorithm != list.tbs_cert_list.signature {
        return Err(unreadable(()));
    }
    // Extensions, without which a list says nothing, are of version 2 (RFC 5280, section 5.1.2.1).
    if list.tbs_cert_list.version != Version::V2 {
        return Err(unreadable(()));
    }
    Ok(list)
}

/// With the place of its authority among these.
fn parse(data: &[u8], authorities: &[&Certificate], holds: Holds) -> Result<(usize, RevocationList), Error> {
    if data.len() > MAX_LIST_BYTES {
        return Err(bad("a revocation list is too large").got(data.len().to_string()));
    }
    let list = read(data)?;
    let signature = list.signature.as_bytes().unwrap_or_default();
    let issuer = Name::read(&list.tbs_cert_list.issuer).map_err(unreadable)?;
    // First of all: what somebody else wrote is not looked at.
    let signed = first_item(data).map_err(unreadable)?;
    let is_of = |one: &&Certificate| issuer == one.subject && holds(one, &signed, signature);
    let Some(place) = authorities.iter().position(is_of) else {
        return Err(bad("a revocation list is not signed by an authority of the chain"));
    };
    let next = list.tbs_cert_list.next_update;
    let found = RevocationList {
        number: number(&list)?,
        start: seconds(list.tbs_cert_list.this_update),
        end: next.map(seconds).ok_or_else(|| bad("a revocation list has no end"))?,
        revoked: entries(&list, issuer)?,
    };
    Ok((place, found))
}

/// Its number, after a look at what else the list says of itself.
fn number(list: &CertificateList) -> Result<u64, Error> {
    let mut found = None;
    let mut names = BTreeSet::new();
    for extension in list.tbs_cert_list.crl_extensions.iter().flatten() {
        if !names.insert(extension.extn_id) {
            return Err(unreadable(()));
        }
        let value = extension.extn_value.as_bytes();
        match extension.extn_id {
            CRL_NUMBER => found = Some(CrlNumber::from_der(value).map_err(unreadable)?),
            DISTRIBUTION_POINT if !leaves_out(value)? => {}
            other if extension.critical || other == DELTA_INDICATOR || other == DISTRIBUTION_POINT => {
                return Err(bad("a revocation list is not about all certificates of its issuer").got(other.to_string()));
            }
            other if is_readable(other, value) == Some(false) => return Err(unreadable(())),
            _ => {}
        }
    }
    let number = found.and_then(|number| {
        let bytes = number.0.as_bytes();
        (bytes.len() <= 8).then(|| bytes.iter().fold(0_u64, |sum, byte| sum << 8 | u64::from(*byte)))
    });
    number
        .filter(|number| *number <= MAX_NUMBER)
        .ok_or_else(|| bad("a revocation list has no number").expected(format!("0 to {MAX_NUMBER}")))
}

/// Whether the list is about some certificates only (RFC 5280, section 5.2.5).
fn leaves_out(value: &[u8]) -> Result<bool, Error> {
    let said = IssuingDistributionPoint::from_der(value).map_err(unreadable)?;
    Ok(said.only_contains_user_certs
        || said.only_contains_ca_certs
        || said.only_contains_attribute_certs
        || said.only_some_reasons.is_some())
}

/// Pairs of issuer and serial number. An entry without an issuer of its own has the one of the entry before it
/// (RFC 5280, section 5.3.3).
fn entries(list: &CertificateList, first: Name) -> Result<HashSet<(Name, Vec<u8>)>, Error> {
    let mut issuer = first;
    let mut revoked = HashSet::new();
    for entry in list.tbs_cert_list.revoked_certificates.as_deref().unwrap_or_default() {
        if let Some(named) = own_issuer(entry)? {
            issuer = named;
        }
        revoked.insert((issuer.clone(), entry.serial_number.as_bytes().to_vec()));
    }
    Ok(revoked)
}

fn own_issuer(entry: &RevokedCert) -> Result<Option<Name>, Error> {
    let mut named = None;
    let mut names = BTreeSet::new();
    for extension in entry.crl_entry_extensions.iter().flatten() {
        if !names.insert(extension.extn_id) {
            return Err(unreadable(()));
        }
        if extension.extn_id == CERTIFICATE_ISSUER {
            named = Some(only_name(extension.extn_value.as_bytes())?);
        } else if extension.critical {
            return Err(bad("a revocation list has an entry that is not understood").got(extension.extn_id.to_string()));
        } else if extension.extn_id == REASON {
            CrlReason::from_der(extension.extn_value.as_bytes()).map_err(unreadable)?;
        }
    }
    Ok(named)
}

fn only_name(value: &[u8]) -> Result<Name, Error> {
    let all = GeneralNames::from_der(value).map_err(unreadable)?;
    let mut names = all.iter().filter_map(|name| match name {
        GeneralName::DirectoryName(name) => Some(name),
        _ => None,
    });
    match (names.next(), names.next()) {
        (Some(name), None) => Name::read(name).map_err(unreadable),
        _ => Err(bad("a revocation list has an entry without the name of its issuer")),
    }
}

fn unreadable<T>(_: T) -> Error {
    bad("a revocation list cannot be read")
}

fn bad(reason: &str) -> Error {
    Error::new(STEP, reason)
}

#[cfg(test)]
mod tests {
    use x509_cert::der::asn1::OctetString;
    use x509_cert::ext::Extension;
    use x509_cert::serial_number::SerialNumber;

    use super::*;

    const ARK: &[u8] = include_bytes!("../../../spec/vectors/sev-snp/certificates/milan-vcek-v2.ark.der");
    const LIST: &[u8] = include_bytes!("../../../spec/vectors/sev-snp/lists/milan-vcek-v2.0.crl");
    /// Version 2, as the first thing that a list says.
    const VERSION: &[u8] = &[0x02, 0x01, 0x01];

    #[test]
    fn a_list_is_of_version_2() {
        let authority = Certificate::parse(ARK, "ARK").unwrap();
        let signed: Holds = |_, _, _| true;
        assert_eq!(parse(LIST, &[&authority], signed).unwrap().1.number, 7);
        let place = LIST.windows(VERSION.len()).position(|part| part == VERSION).unwrap();
        let mut older = LIST.to_vec();
        older[place + 2] = 0;
        assert_eq!(parse(&older, &[&authority], signed).unwrap_err().step, STEP);
    }

    #[test]
    fn what_is_no_der_cannot_be_read() {
        const LIST: &[u8] = include_bytes!("../../../spec/vectors/sev-snp/lists/list-with-distribution-point.0.crl");
        assert!(read(LIST).is_ok());
        // Of an extension that is critical: that it is not, which is not written.
        let place = LIST.windows(4).position(|part| part == b"\x01\x01\xff\x04").unwrap();
        let mut other = LIST.to_vec();
        other[place + 2] = 0;
        assert!(read(&other).is_err());
    }

    #[test]
    fn extensions_that_are_known_can_be_read() {
        let value = |name: &str, bytes: &[u8]| Extension {
            extn_id: ObjectIdentifier::new_unwrap(name),
            critical: false,
            extn_value: OctetString::new(bytes).unwrap(),
        };
        let with = |extension| {
            let mut list = read(LIST).unwrap();
            list.tbs_cert_list.crl_extensions.as_mut().unwrap().push(extension);
            number(&list).is_ok()
        };
        assert!(with(value("1.2.3.4", b"x")));
        assert!(with(value("2.5.29.35", b"\x30\0")));
        assert!(!with(value("2.5.29.35", b"x")));
        let entry = |extension| {
            let revoked = RevokedCert {
                serial_number: SerialNumber::new(&[1]).unwrap(),
                revocation_date: read(LIST).unwrap().tbs_cert_list.this_update,
                crl_entry_extensions: Some(vec![extension]),
            };
            own_issuer(&revoked).is_ok()
        };
        assert!(entry(value("1.2.3.4", b"x")));
        assert!(entry(value("2.5.29.21", b"\x0a\x01\x01")));
        assert!(!entry(value("2.5.29.21", b"\x0a\x01\x07")));
    }
}
