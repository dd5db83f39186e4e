//! Attestation documents of AWS Nitro Enclaves: COSE_Sign1 (RFC 9052) around CBOR.
//!
//! Source: AWS, "Attestation process" of the Nitro Secure Module library, sections 2 (COSE) and 3 (content, limits).

use std::collections::BTreeMap;

use crate::Error;
use crate::cbor::{self, Name, Value, decode};

/// Bytes of a register.
pub const PCR_BYTES: usize = 48;

const MAX_DOCUMENT_BYTES: usize = 32 * 1024;
/// The protected header: algorithm (1) ES384 (-35).
const ES384: (Name<'_>, Value<'_>) = (Name::Integer(1), Value::Integer(-35));
const SIGNATURE_BYTES: usize = 96;
/// Tag 18, COSE_Sign1: some collectors write it before the array, the module does not.
const TAGGED: &[u8] = b"\xd2";
const FIELDS: [&str; 9] = [
    "module_id",
    "digest",
    "timestamp",
    "pcrs",
    "certificate",
    "cabundle",
    "public_key",
    "user_data",
    "nonce",
];
const PCRS: u8 = 32;
const MAX_MODULE: usize = 200;
const MAX_CERTIFICATE: usize = 1024;
const MAX_BUNDLE: usize = 8;
const MAX_USER: usize = 1024;
/// The last millisecond but 999 of the year 9999.
const YEAR_9999: i128 = 253_402_300_799_000;

/// What a document says; nothing of it is believed before its signature verified.
#[derive(Debug)]
pub struct Document<'a> {
    pub module: &'a str,
    /// By number, [`PCR_BYTES`] each.
    pub pcrs: BTreeMap<u8, &'a [u8]>,
    /// The key's, DER.
    pub certificate: &'a [u8],
    /// Leads to it from the root.
    pub bundle: Vec<&'a [u8]>,
    pub user_data: Option<&'a [u8]>,
    /// The bytes under the signature.
    pub signed: Vec<u8>,
    /// r ‖ s.
    pub signature: &'a [u8],
}

type Content<'a> = BTreeMap<Name<'a>, Value<'a>>;

impl<'a> Document<'a> {
    /// # Errors
    /// `evidence.cbor`, `evidence.document`.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        if data.len() > MAX_DOCUMENT_BYTES {
            return Err(malformed("too large")
                .expected(format!("at most {MAX_DOCUMENT_BYTES} bytes"))
                .got(data.len().to_string()));
        }
        let [protected, payload, signature] = envelope(data.strip_prefix(TAGGED).unwrap_or(data))?;
        let Value::Map(content) = decode(payload, "the document's content", false)? else {
            return Err(malformed("fields that are not known"));
        };
        if !content
            .keys()
            .all(|name| FIELDS.iter().any(|known| *name == Name::Text(known)))
        {
            return Err(malformed("fields that are not known"));
        }
        if field(&content, "digest") != &Value::Text("SHA384") {
            return Err(malformed("another digest than SHA384"));
        }
        check_time(field(&content, "timestamp"))?;
        optional(&content, "public_key")?;
        optional(&content, "nonce")?;
        Ok(Self {
            module: module(field(&content, "module_id"))?,
            pcrs: pcrs(field(&content, "pcrs"))?,
            certificate: bytes(field(&content, "certificate"), 1, MAX_CERTIFICATE, "certificate")?,
            bundle: bundle(field(&content, "cabundle"))?,
            user_data: optional(&content, "user_data")?,
            signed: structure(protected, payload),
            signature,
        })
    }
}

/// Protected header, payload, signature. The unprotected header is empty: nothing is believed of it.
fn envelope(data: &[u8]) -> Result<[&[u8]; 3], Error> {
    let value = decode(data, "the document", false)?;
    let [protected, payload, signature] = match &value {
        Value::Array(parts) => match parts.as_slice() {
            [
                Value::Bytes(protected),
                Value::Map(unprotected),
                Value::Bytes(payload),
                Value::Bytes(signature),
            ] if unprotected.is_empty() => [*protected, *payload, *signature],
            _ => return Err(malformed("no COSE_Sign1 with an empty unprotected header")),
        },
        _ => return Err(malformed("no COSE_Sign1")),
    };
    let header = decode(protected, "the document's header", false)?;
    if header != Value::Map(BTreeMap::from([ES384])) {
        return Err(malformed("another algorithm than ES384"));
    }
    if signature.len() != SIGNATURE_BYTES {
        return Err(malformed(&format!("a signature of {} bytes", signature.len())));
    }
    Ok([protected, payload, signature])
}

/// Sig_structure of RFC 9052, section 4.4, without external data.
fn structure(protected: &[u8], payload: &[u8]) -> Vec<u8> {
    let array_of_four = vec![0x84];
    let parts = [protected, b"", payload].map(cbor::bytes);
    [array_of_four, cbor::text("Signature1"), parts.concat()].concat()
}

/// A field that is not there says the same as null: nothing.
fn field<'a, 'b>(content: &'b Content<'a>, name: &'a str) -> &'b Value<'a> {
    content.get(&Name::Text(name)).unwrap_or(&Value::Null)
}

fn module<'a>(value: &Value<'a>) -> Result<&'a str, Error> {
    match value {
        Value::Text(text)
            if (1..=MAX_MODULE).contains(&text.len()) && text.bytes().all(|byte| matches!(byte, b' '..=b'~')) =>
        {
            Ok(text)
        }
        _ => Err(malformed("no module_id")),
    }
}

fn check_time(value: &Value<'_>) -> Result<(), Error> {
    match value {
        Value::Integer(1..=YEAR_9999) => Ok(()),
        _ => Err(malformed("no timestamp")),
    }
}

fn pcrs<'a>(value: &Value<'a>) -> Result<BTreeMap<u8, &'a [u8]>, Error> {
    let Value::Map(all) = value else {
        return Err(malformed("no pcrs"));
    };
    if !(1..=usize::from(PCRS)).contains(&all.len()) {
        return Err(malformed("no pcrs"));
    }
    let known = all.iter().map(|(name, content)| match (name, content) {
        (Name::Integer(number), Value::Bytes(content)) if content.len() == PCR_BYTES => {
            let number = u8::try_from(*number).ok().filter(|number| *number < PCRS)?;
            Some((number, *content))
        }
        _ => None,
    });
    known
        .collect::<Option<_>>()
        .ok_or_else(|| malformed("a PCR that is none of SHA384's"))
}

fn bundle<'a>(value: &Value<'a>) -> Result<Vec<&'a [u8]>, Error> {
    match value {
        Value::Array(all) if (1..=MAX_BUNDLE).contains(&all.len()) => all
            .iter()
            .map(|one| bytes(one, 1, MAX_CERTIFICATE, "cabundle"))
            .collect(),
        _ => Err(malformed("no cabundle")),
    }
}

fn optional<'a>(content: &Content<'a>, name: &'a str) -> Result<Option<&'a [u8]>, Error> {
    match field(content, name) {
        Value::Null => Ok(None),
        value => bytes(value, 0, MAX_USER, name).map(Some),
    }
}

fn bytes<'a>(value: &Value<'a>, least: usize, most: usize, name: &str) -> Result<&'a [u8], Error> {
    match value {
        Value::Bytes(bytes) if (least..=most).contains(&bytes.len()) => Ok(bytes),
        _ => Err(malformed(&format!("no {name}"))),
    }
}

fn malformed(why: &str) -> Error {
    Error::new("evidence.document", format!("no attestation document: {why}"))
}
