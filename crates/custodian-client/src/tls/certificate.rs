//! X.509 certificates (RFC 5280), as much of them as spec/ra-tls.md needs: DER in its one spelling, keys of P-256.

use crate::encoding::time;

const SEQUENCE: u8 = 0x30;
const INTEGER: u8 = 0x02;
const BOOLEAN: u8 = 0x01;
const BIT_STRING: u8 = 0x03;
const OCTET_STRING: u8 = 0x04;
const OID: u8 = 0x06;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;
const VERSION: u8 = 0xa0;
const EXTENSIONS: u8 = 0xa3;
const TRUE: &[u8] = &[0xff];
const VERSION_3: &[u8] = &[INTEGER, 1, 2];

/// ecdsa-with-SHA256 (RFC 5758).
const ALGORITHM: &[u8] = &[OID, 8, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x04, 0x03, 0x02];
/// 2.23.133.5.4.9, of the TCG.
const CARRIED: &[u8] = &[0x67, 0x81, 0x05, 0x05, 0x04, 0x09];
/// Basic constraints and key usage: the only ones that may be critical.
const UNDERSTOOD: [&[u8]; 2] = [&[0x55, 0x1d, 0x13], &[0x55, 0x1d, 0x0f]];
/// A SubjectPublicKeyInfo of P-256 up to its point (RFC 5480).
const P256: &[u8] = &[
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86, 0x48, 0xce,
    0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];

/// What a certificate says; nothing is verified.
pub struct Certificate<'a> {
    /// SubjectPublicKeyInfo.
    pub public_key: &'a [u8],
    /// Its point.
    pub point: &'a [u8],
    /// The value of the TCG's extension.
    pub carried: &'a [u8],
    /// From when, in Unix seconds.
    pub start: i64,
    /// Until when.
    pub end: i64,
    /// What is under the signature.
    pub signed: &'a [u8],
    /// The signature.
    pub signature: &'a [u8],
}

impl<'a> Certificate<'a> {
    pub fn parse(der: &'a [u8]) -> Option<Self> {
        let mut outer = Reader(der);
        let mut whole = Reader(outer.take(SEQUENCE)?);
        outer.end()?;
        let (signed, body) = whole.take_whole(SEQUENCE)?;
        (whole.take(SEQUENCE)? == ALGORITHM).then_some(())?;
        let signature = whole.take(BIT_STRING)?.strip_prefix(&[0])?;
        whole.end()?;
        let mut body = Reader(body);
        (body.take(VERSION)? == VERSION_3).then_some(())?;
        body.take(INTEGER)?;
        (body.take(SEQUENCE)? == ALGORITHM).then_some(())?;
        body.take(SEQUENCE)?;
        let mut validity = Reader(body.take(SEQUENCE)?);
        let (start, end) = (moment(&mut validity)?, moment(&mut validity)?);
        validity.end()?;
        body.take(SEQUENCE)?;
        let (public_key, _) = body.take_whole(SEQUENCE)?;
        let carried = carried(body.take(EXTENSIONS)?)?;
        body.end()?;
        Some(Self {
            public_key,
            point: public_key.strip_prefix(P256)?,
            carried,
            start,
            end,
            signed,
            signature,
        })
    }
}

/// The value of our extension, which is there once.
fn carried(wrapped: &[u8]) -> Option<&[u8]> {
    let mut outer = Reader(wrapped);
    let mut all = Reader(outer.take(SEQUENCE)?);
    outer.end()?;
    let mut seen: Vec<&[u8]> = Vec::new();
    let mut found = None;
    while !all.0.is_empty() {
        let mut one = Reader(all.take(SEQUENCE)?);
        let name = one.take(OID)?;
        let critical = one.0.first() == Some(&BOOLEAN);
        if critical && (one.take(BOOLEAN)? != TRUE || !UNDERSTOOD.contains(&name)) {
            return None;
        }
        let value = one.take(OCTET_STRING)?;
        one.end()?;
        if seen.contains(&name) {
            return None;
        }
        seen.push(name);
        if name == CARRIED {
            found = Some(value);
        }
    }
    found
}

/// A time of RFC 5280, section 4.1.2.5: until 2049 with two digits of the year.
fn moment(reader: &mut Reader<'_>) -> Option<i64> {
    let text = match reader.0.first()? {
        &UTC_TIME => {
            let short = std::str::from_utf8(reader.take(UTC_TIME)?).ok()?;
            let century = if short.get(..2)?.parse::<u8>().ok()? < 50 {
                "20"
            } else {
                "19"
            };
            format!("{century}{short}")
        }
        _ => std::str::from_utf8(reader.take(GENERALIZED_TIME)?).ok()?.to_owned(),
    };
    if text.len() != 15 || !text.is_ascii() {
        return None;
    }
    let (date, clock) = text.split_at(8);
    time(&format!(
        "{}-{}-{}T{}:{}:{}{}",
        &date[..4],
        &date[4..6],
        &date[6..],
        &clock[..2],
        &clock[2..4],
        &clock[4..6],
        &clock[6..]
    ))
}

/// Items of DER, one after the other (X.690): definite lengths in their shortest form.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    /// The content of the next item, which is of this type.
    fn take(&mut self, kind: u8) -> Option<&'a [u8]> {
        self.take_whole(kind).map(|(_, content)| content)
    }

    /// The next item with its head, and its content.
    fn take_whole(&mut self, kind: u8) -> Option<(&'a [u8], &'a [u8])> {
        let all = self.0;
        let (&first, rest) = all.split_first()?;
        let (&short, rest) = rest.split_first()?;
        let size = if short < 0x80 { 0 } else { usize::from(short - 0x80) };
        if first != kind || short == 0x80 || size > 3 {
            return None;
        }
        let (head, rest) = rest.split_at_checked(size)?;
        let long = head
            .iter()
            .fold(0_usize, |length, byte| length << 8 | usize::from(*byte));
        if size > 0 && (head[0] == 0 || long < 0x80) {
            return None;
        }
        let length = if size == 0 { usize::from(short) } else { long };
        let (content, after) = rest.split_at_checked(length)?;
        self.0 = after;
        Some((&all[..all.len() - after.len()], content))
    }

    fn end(&self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}
