//! The one form that certificates over evidence have (spec/ra-tls.md, "Certificate"), byte by byte.
//!
//! Whoever makes one writes it with [`Form::signed`] and [`certificate`]; whoever reads one does the same with what was
//! found in it, and compares. So no library's opinion of X.509 counts, and nothing in a certificate has a second spelling.

use crate::encoding::{civil, time};

/// Bytes of a serial number: as random as a nonce, and fewer than RFC 5280, 4.1.2.2 allows. The first is of 40 to 7f:
/// positive, and of one length.
pub const SERIAL_BYTES: usize = 16;
/// The object identifier 2.23.133.5.4.9, DER.
pub const EXTENSION: [u8; 8] = [0x06, 0x06, 0x67, 0x81, 0x05, 0x05, 0x04, 0x09];

const INTEGER: u8 = 0x02;
const BITS: u8 = 0x03;
const OCTETS: u8 = 0x04;
const UTC: u8 = 0x17;
const GENERAL: u8 = 0x18;
const SEQUENCE: u8 = 0x30;
const EXTENSIONS: u8 = 0xa3;

/// 3, counted from 0.
const VERSION: &[u8] = &[0xa0, 0x03, 0x02, 0x01, 0x02];
/// ecdsa-with-SHA256, without parameters (RFC 5758, 3.2).
const ALGORITHM: &[u8] = &[0x30, 0x0a, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// A common name, as `UTF8String`. It says nothing; TLS libraries want one.
const NAME: &[u8] = b"\x30\x13\x31\x11\x30\x0f\x06\x03\x55\x04\x03\x0c\x08casemate";
/// A `SubjectPublicKeyInfo` of P-256 up to the coordinates of its point, which is not compressed (RFC 5480).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00, 0x04,
];
const KEY_BYTES: usize = P256.len() + 64;
/// Bytes of a `SubjectPublicKeyInfo` before the point, with what says that it is not compressed.
const BEFORE_POINT: usize = P256.len() - 1;
/// Basic constraints, critical.
const NO_AUTHORITY: &[u8] = &[
    0x30, 0x0c, 0x06, 0x03, 0x55, 0x1d, 0x13, 0x01, 0x01, 0xff, 0x04, 0x02, 0x30, 0x00,
];
const FIRST_OF_FOUR_DIGITS: i64 = 2050;

/// All that differs from one certificate to another, but for the signature.
#[derive(Debug, Clone, Copy)]
pub struct Form<'a> {
    /// As [`SERIAL_BYTES`] says.
    pub serial: [u8; SERIAL_BYTES],
    /// From when it is valid, in Unix seconds.
    pub start: i64,
    /// Until when.
    pub end: i64,
    /// `SubjectPublicKeyInfo`, DER.
    pub public_key: &'a [u8],
    /// Of the extension.
    pub value: &'a [u8],
}

impl<'a> Form<'a> {
    /// What the key signs (`TBSCertificate`, RFC 5280, 4.1). None of what the form has no place for.
    #[must_use]
    pub fn signed(&self) -> Option<Vec<u8>> {
        let placed = (0x40..=0x7f).contains(&self.serial[0])
            && self.public_key.starts_with(P256)
            && self.public_key.len() == KEY_BYTES;
        placed.then_some(())?;
        let times = [written(self.start)?, written(self.end)?].concat();
        let evidence = made(SEQUENCE, &[&EXTENSION[..], &made(OCTETS, self.value)].concat());
        let extensions = made(SEQUENCE, &[NO_AUTHORITY, &evidence].concat());
        let parts = [
            VERSION,
            &made(INTEGER, &self.serial),
            ALGORITHM,
            NAME,
            &made(SEQUENCE, &times),
            NAME,
            self.public_key,
            &made(EXTENSIONS, &extensions),
        ];
        Some(made(SEQUENCE, &parts.concat()))
    }

    /// The point of the key (SEC 1, not compressed).
    #[must_use]
    pub fn point(&self) -> &'a [u8] {
        self.public_key.get(BEFORE_POINT..).unwrap_or_default()
    }
}

/// DER.
#[must_use]
pub fn certificate(signed: &[u8], signature: &[u8]) -> Vec<u8> {
    let bits = made(BITS, &[&[0], signature].concat());
    made(SEQUENCE, &[signed, ALGORITHM, &bits].concat())
}

/// What a certificate of the form says.
#[derive(Debug, Clone)]
pub struct Found<'a> {
    /// Nothing of it is verified.
    pub form: Form<'a>,
    /// What the key should have signed.
    pub signed: Vec<u8>,
    /// `ECDSA-Sig-Value`, DER.
    pub signature: &'a [u8],
}

/// None of what is not of the form.
#[must_use]
pub fn read(der: &[u8]) -> Option<Found<'_>> {
    found(der).filter(|found| certificate(&found.signed, found.signature) == der)
}

/// Where each part is; how lengths are spelled, and what is behind the last one, is seen when it is compared.
fn found(der: &[u8]) -> Option<Found<'_>> {
    let (whole, _) = item(SEQUENCE, der)?;
    let (signed, rest) = item(SEQUENCE, whole)?;
    let (bits, _) = item(BITS, rest.strip_prefix(ALGORITHM)?)?;
    let (serial, rest) = item(INTEGER, signed.strip_prefix(VERSION)?)?;
    let (times, rest) = item(SEQUENCE, rest.strip_prefix(ALGORITHM)?.strip_prefix(NAME)?)?;
    let (start, later) = read_time(times)?;
    let (end, _) = read_time(later)?;
    let (public_key, rest) = rest.strip_prefix(NAME)?.split_at_checked(KEY_BYTES)?;
    let (extensions, _) = item(SEQUENCE, item(EXTENSIONS, rest)?.0)?;
    let (evidence, _) = item(SEQUENCE, extensions.strip_prefix(NO_AUTHORITY)?)?;
    let (value, _) = item(OCTETS, evidence.strip_prefix(&EXTENSION)?)?;
    let form = Form {
        serial: serial.try_into().ok()?,
        start,
        end,
        public_key,
        value,
    };
    Some(Found {
        form,
        signed: form.signed()?,
        signature: bits.strip_prefix(&[0])?,
    })
}

fn made(tag: u8, content: &[u8]) -> Vec<u8> {
    let length = content.len();
    let bytes = length.to_be_bytes();
    let long = &bytes[bytes.iter().take_while(|byte| **byte == 0).count()..];
    let mut item = vec![tag];
    if let Ok(short @ 0..0x80) = u8::try_from(length) {
        item.push(short);
    } else {
        // At most eight.
        item.push(0x80 | u8::try_from(long.len()).unwrap_or_default());
        item.extend_from_slice(long);
    }
    item.extend_from_slice(content);
    item
}

/// The content of the first item, and what is behind it.
fn item(tag: u8, data: &[u8]) -> Option<(&[u8], &[u8])> {
    let (&short, rest) = data.strip_prefix(&[tag])?.split_first()?;
    if short < 0x80 {
        return rest.split_at_checked(usize::from(short));
    }
    let (long, rest) = rest.split_at_checked(usize::from(short & 0x7f))?;
    let length = long.iter().try_fold(0_usize, |length, byte| {
        length.checked_mul(0x100)?.checked_add(usize::from(*byte))
    });
    rest.split_at_checked(length?)
}

/// `UTCTime` before 2050, `GeneralizedTime` from then on (RFC 5280, 4.1.2.5).
fn written(seconds: i64) -> Option<Vec<u8>> {
    let (year, rest) = civil(seconds)?;
    if year < FIRST_OF_FOUR_DIGITS {
        return Some(made(UTC, format!("{:02}{rest}Z", year % 100).as_bytes()));
    }
    Some(made(GENERAL, format!("{year:04}{rest}Z").as_bytes()))
}

fn read_time(data: &[u8]) -> Option<(i64, &[u8])> {
    let general = data.first() == Some(&GENERAL);
    let (text, behind) = item(if general { GENERAL } else { UTC }, data)?;
    let text = std::str::from_utf8(text).ok().filter(|text| text.is_ascii())?;
    let (year, rest) = text.split_at_checked(if general { 4 } else { 2 })?;
    // 70 to 99 are of the last century; what follows from 50 to 69 is not what is spelled so.
    let century = match general {
        true => "",
        false if year >= "70" => "19",
        false => "20",
    };
    let part = |place: usize| rest.get(2 * place..2 * place + 2);
    let spelled = format!(
        "{century}{year}-{}-{}T{}:{}:{}{}",
        part(0)?,
        part(1)?,
        part(2)?,
        part(3)?,
        part(4)?,
        rest.get(10..)?
    );
    Some((time(&spelled)?, behind))
}

#[cfg(test)]
mod tests {
    use super::*;

    const KEY: [u8; KEY_BYTES] = {
        let mut key = [7; KEY_BYTES];
        let mut place = 0;
        while place < P256.len() {
            key[place] = P256[place];
            place += 1;
        }
        key
    };

    fn form(start: i64, end: i64, value: &[u8]) -> Form<'_> {
        Form {
            serial: [0x41; SERIAL_BYTES],
            start,
            end,
            public_key: &KEY,
            value,
        }
    }

    #[test]
    fn what_was_written_is_read() {
        let long = vec![1; 70_000];
        let end = time("9999-12-31T23:59:59Z").unwrap();
        let edge = time("2050-01-01T00:00:00Z").unwrap();
        for (start, end) in [(0, 1), (951_827_696, edge - 1), (edge - 1, edge), (edge, end)] {
            for value in [&b""[..], b"x", &long[..114], &long[..300], &long] {
                let made = form(start, end, value);
                let der = certificate(&made.signed().unwrap(), b"signature");
                let found = read(&der).unwrap();
                assert_eq!(
                    (found.form.start, found.form.end, found.form.value),
                    (start, end, value)
                );
                assert_eq!((found.form.public_key, found.signature), (&KEY[..], &b"signature"[..]));
                assert_eq!(found.form.point()[0], 4);
            }
        }
        assert!(form(-1, 0, b"").signed().is_none());
        assert!(form(0, end + 1, b"").signed().is_none());
    }

    #[test]
    fn what_is_written_otherwise_is_not() {
        let der = certificate(&form(0, 1, b"value").signed().unwrap(), b"signature");
        assert!(read(&[&der[..], &[0]].concat()).is_none());
        for place in 0..der.len() {
            assert!(read(&der[..place]).is_none(), "{place} bytes");
            for bit in 0..8 {
                let mut changed = der.clone();
                changed[place] ^= 1 << bit;
                // Where it is read, it says something else: no two spellings.
                if let Some(found) = read(&changed) {
                    let said = (found.form.serial, found.form.start, found.form.end, found.form.point());
                    let right = form(0, 1, b"value");
                    let same = said == (right.serial, right.start, right.end, right.point());
                    assert!(
                        !same || found.form.value != b"value" || found.signature != b"signature",
                        "{place}"
                    );
                }
            }
        }
    }
}
