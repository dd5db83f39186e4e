//! Which machine Google certified a TPM's key for: an extension of the certificate, in DER (X.690).
//!
//! ```text
//! SEQUENCE { zone UTF8String, project number INTEGER, project UTF8String, instance INTEGER, name UTF8String,
//!            [0] SEQUENCE { [0] security version INTEGER, [1] is production BOOLEAN, [2] and on: BOOLEAN } }
//! ```
//!
//! Source: `gceInstanceInfo` of go-tpm-tools and the certificates themselves; Google publishes no other.

use x509_cert::der::asn1::ObjectIdentifier;

use crate::Error;

/// The extension's name.
pub const MACHINE: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.3.6.1.4.1.11129.2.1.21");

const SEQUENCE: u8 = 0x30;
const TEXT: u8 = 0x0c;
const INTEGER: u8 = 0x02;
const FIRST: u8 = 0xa0;
const SECOND: u8 = 0xa1;
const TRUE: &[u8] = &[0x01, 0x01, 0xff];
/// Before a length in a byte of its own.
const LONG_FORM: u8 = 0x81;
const MAX_TEXT: usize = 128;
const MAX_INTEGER: usize = 9;

const UNREADABLE: &str = "the certificate says of its machine what cannot be read";

/// Project, zone and instance by which callers ask, by their names; none where the certificate says nothing of a machine
/// (`value` is that of its extension).
///
/// # Errors
/// `evidence.machine`, at what is malformed, and at machines that are not for production.
pub fn certified_machine(value: Option<&[u8]>) -> Result<Vec<(&'static str, String)>, Error> {
    let Some(value) = value else {
        return Ok(Vec::new());
    };
    let parts = parts(only(value)?)?;
    let [
        (TEXT, zone),
        (INTEGER, _),
        (TEXT, project),
        (INTEGER, instance),
        (TEXT, _),
        (FIRST, security),
    ] = parts.as_slice()
    else {
        return Err(bad("the certificate says of its machine what is not known"));
    };
    if !self::parts(only(security)?)?.contains(&(SECOND, TRUE)) {
        return Err(bad("certified for a machine that is not for production"));
    }
    Ok(vec![
        ("zone", text(zone)?),
        ("project", text(project)?),
        ("instance", integer(instance)?.to_string()),
    ])
}

/// Tags of one byte, lengths below 256 in their shortest form.
fn parts(data: &[u8]) -> Result<Vec<(u8, &[u8])>, Error> {
    let mut found = Vec::new();
    let mut rest = data;
    while !rest.is_empty() {
        let (tag, length, behind) = match rest {
            [tag, LONG_FORM, length @ 0x80..=0xff, behind @ ..] => (*tag, *length, behind),
            [tag, length @ 0..=0x7f, behind @ ..] => (*tag, *length, behind),
            _ => return Err(bad(UNREADABLE)),
        };
        let (body, behind) = behind
            .split_at_checked(usize::from(length))
            .ok_or_else(|| bad(UNREADABLE))?;
        found.push((tag, body));
        rest = behind;
    }
    Ok(found)
}

/// What is in the one sequence that `data` is.
fn only(data: &[u8]) -> Result<&[u8], Error> {
    match parts(data)?.as_slice() {
        [(SEQUENCE, body)] => Ok(body),
        _ => Err(bad(UNREADABLE)),
    }
}

fn text(body: &[u8]) -> Result<String, Error> {
    let printable = body.iter().all(|byte| matches!(byte, b' '..=b'~'));
    let text = String::from_utf8(body.to_vec()).ok();
    text.filter(|text| printable && (1..=MAX_TEXT).contains(&text.len()))
        .ok_or_else(|| bad("the certificate names its machine by what is no name"))
}

fn integer(body: &[u8]) -> Result<u128, Error> {
    let positive = body.first().is_some_and(|first| first & 0x80 == 0);
    if !positive || body.len() > MAX_INTEGER {
        return Err(bad("the certificate numbers its machine by what is no number"));
    }
    Ok(body.iter().fold(0, |sum, byte| sum << 8 | u128::from(*byte)))
}

fn bad(reason: &str) -> Error {
    Error::new("evidence.machine", reason)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::{ProptestConfig, any, prop, proptest};

    use super::*;

    fn item(tag: u8, body: &[u8]) -> Vec<u8> {
        let length = u8::try_from(body.len()).unwrap();
        let head = if length < 0x80 {
            vec![tag, length]
        } else {
            vec![tag, 0x81, length]
        };
        [head.as_slice(), body].concat()
    }

    /// What Google would say of a machine.
    fn machine(zone: &[u8], instance: &[u8], production: &[u8]) -> Vec<u8> {
        let security = [item(0xa0, &item(0x02, b"\0")), item(0xa1, production)].concat();
        let parts = [
            item(TEXT, zone),
            item(INTEGER, b"\x05"),
            item(TEXT, b"project"),
            item(INTEGER, instance),
            item(TEXT, b"name"),
            item(FIRST, &item(SEQUENCE, &security)),
        ];
        item(SEQUENCE, &parts.concat())
    }

    const INSTANCE: &[u8] = b"\0\xff\xff\xff\xff\xff\xff\xff\xff";

    #[test]
    fn a_machine_has_a_project_a_zone_and_a_number() {
        let wanted = |zone: &str| {
            vec![
                ("zone", zone.to_owned()),
                ("project", "project".to_owned()),
                ("instance", u64::MAX.to_string()),
            ]
        };
        let right = machine(b"zone-1", INSTANCE, TRUE);
        assert_eq!(certified_machine(Some(&right)), Ok(wanted("zone-1")));
        let zone = "z".repeat(MAX_TEXT);
        let long = machine(zone.as_bytes(), INSTANCE, TRUE);
        assert_eq!(certified_machine(Some(&long)), Ok(wanted(&zone)));
        assert_eq!(certified_machine(None), Ok(Vec::new()));
    }

    #[test]
    fn what_a_certificate_says_of_no_machine_is_refused() {
        let right = machine(b"zone-1", INSTANCE, TRUE);
        let changed = |place: usize, byte: u8| {
            let mut changed = right.clone();
            changed[place] = byte;
            changed
        };
        let spelled_longer = [&[SEQUENCE, LONG_FORM], &right[1..]].concat();
        for wrong in [
            vec![],
            vec![SEQUENCE],
            vec![SEQUENCE, 0],
            changed(0, 0x31),
            changed(1, right[1] + 1),
            changed(2, 0x13),
            [right.as_slice(), b"\0\0"].concat(),
            right.repeat(2),
            spelled_longer,
            machine(b"", INSTANCE, TRUE),
            machine(b"z\x1bne", INSTANCE, TRUE),
            machine(b"\xffone", INSTANCE, TRUE),
            machine(&[b'z'; MAX_TEXT + 1], INSTANCE, TRUE),
            machine(b"zone", b"", TRUE),
            machine(b"zone", b"\xff", TRUE),
            machine(b"zone", &[0; MAX_INTEGER + 1], TRUE),
            machine(b"zone", INSTANCE, b"\x01\x01\0"),
            machine(b"zone", INSTANCE, b"\x01\x01\x01"),
        ] {
            let refused = certified_machine(Some(&wrong)).unwrap_err();
            assert_eq!(refused.step, "evidence.machine", "{wrong:02x?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(2000))]

        #[test]
        fn any_bytes_are_a_machine_or_an_error(data in prop::collection::vec(any::<u8>(), 0..60)) {
            let right = machine(b"zone-1", INSTANCE, TRUE);
            let _ = certified_machine(Some(&data));
            let _ = certified_machine(Some(&[&right[..data.len().min(right.len())], &data].concat()));
        }
    }
}
