//! What Intel certified of a machine: the extensions of a PCK certificate.
//!
//! Source: Intel SGX PCK Certificate and CRL Profile Specification, section 1.3.5. DER all through; what is not known
//! is refused, since nobody else puts anything there.

use std::collections::BTreeMap;

use x509_cert::der::asn1::ObjectIdentifier;

use crate::Error;

/// Where they stand in a certificate.
pub const SGX_EXTENSIONS: ObjectIdentifier = ObjectIdentifier::new_unwrap("1.2.840.113741.1.13.1");
/// The OID's own bytes; those of the parts go on from it.
const PREFIX: &[u8] = b"\x2a\x86\x48\x86\xf8\x4d\x01\x0d\x01";
const PPID: u8 = 1;
const TCB: u8 = 2;
const PCE_ID: u8 = 3;
const FMSPC: u8 = 4;
const TYPE: u8 = 5;
const INSTANCE: u8 = 6;
const CONFIGURATION: u8 = 7;
const KNOWN: [u8; 7] = [PPID, TCB, PCE_ID, FMSPC, TYPE, INSTANCE, CONFIGURATION];
/// How many security versions an SGX TCB has, besides the provisioning enclave's.
pub const COMPONENTS: usize = 16;
const PCE_SVN: u8 = 17;
const CPU_SVN: u8 = 18;
/// It has 16 bits. Those of Intel's provisioning enclaves are far below 100; the reader that Python asks besides its
/// own reads none above this one.
const MAX_PCE_SVN: u16 = 0x7fff;
const SMT: u8 = 3;
const MEMORY: [&str; 3] = ["standard", "scalable", "scalable-with-integrity"];

const BOOLEAN: u8 = 0x01;
const INTEGER: u8 = 0x02;
const OCTETS: u8 = 0x04;
const OID: u8 = 0x06;
const ENUMERATED: u8 = 0x0a;
const SEQUENCE: u8 = 0x30;
const SHORT: u8 = 0x80;

/// `ppid` is one machine's; `fmspc` and `pce_id` say of which kind it is. `components` are security versions, with that
/// of the provisioning enclave beside them: the TCB that the key was certified for. `memory` is how enclaves' memory is
/// protected; `smt` says whether threads of others share a core, where the certificate does (those of a Platform CA).
#[derive(Debug, Clone)]
pub struct Machine {
    pub ppid: [u8; 16],
    pub fmspc: [u8; 6],
    pub pce_id: [u8; 2],
    pub components: [u8; COMPONENTS],
    pub pce_svn: u16,
    pub memory: &'static str,
    pub smt: Option<bool>,
}

/// Tag and content.
type Element<'a> = (u8, &'a [u8]);
/// Values by the last arcs of their OIDs.
type Parts<'a> = BTreeMap<u8, Element<'a>>;

impl Machine {
    /// `evidence.pck` with what is not understood.
    pub fn parse(extension: &[u8]) -> Result<Self, Error> {
        let parts = named(whole(extension)?, PREFIX)?;
        if parts.keys().any(|arc| !KNOWN.contains(arc)) {
            return Err(bad("an extension that is not known"));
        }
        let versions = named(part(&parts, TCB, SEQUENCE)?, &below(TCB))?;
        let mut components = [0; COMPONENTS];
        for (component, arc) in components.iter_mut().zip(1..) {
            *component = integer(part(&versions, arc, INTEGER)?)?;
        }
        let pce_svn = integer(part(&versions, PCE_SVN, INTEGER)?)?;
        if pce_svn > MAX_PCE_SVN {
            return Err(bad("a security version that is too large"));
        }
        sized::<16>(&versions, CPU_SVN)?;
        let smt = parts.contains_key(&CONFIGURATION).then(|| smt(&parts)).transpose()?;
        Ok(Self {
            ppid: sized(&parts, PPID)?,
            fmspc: sized(&parts, FMSPC)?,
            pce_id: sized(&parts, PCE_ID)?,
            components,
            pce_svn,
            memory: memory(part(&parts, TYPE, ENUMERATED)?)?,
            smt: smt.flatten(),
        })
    }
}

fn memory(kind: &[u8]) -> Result<&'static str, Error> {
    let kind: u8 = integer(kind)?;
    let known = MEMORY.get(usize::from(kind)).copied();
    known.ok_or_else(|| bad("a kind of memory protection that is not known"))
}

/// None where it leaves that open.
fn smt(parts: &Parts<'_>) -> Result<Option<bool>, Error> {
    let said = named(part(parts, CONFIGURATION, SEQUENCE)?, &below(CONFIGURATION))?;
    if !said.contains_key(&SMT) {
        return Ok(None);
    }
    match part(&said, SMT, BOOLEAN)? {
        [0] => Ok(Some(false)),
        [0xff] => Ok(Some(true)),
        _ => Err(bad("a truth value that is not DER")),
    }
}

fn below(arc: u8) -> Vec<u8> {
    [PREFIX, &[arc]].concat()
}

/// Content of the one sequence that there is.
fn whole(data: &[u8]) -> Result<&[u8], Error> {
    match elements(data)?.as_slice() {
        [(SEQUENCE, content)] => Ok(content),
        _ => Err(bad("no sequence, or more than one")),
    }
}

/// Pairs of OID and value, by the OID's last arc after `prefix`.
fn named<'a>(data: &'a [u8], prefix: &[u8]) -> Result<Parts<'a>, Error> {
    let mut found = Parts::new();
    for (tag, pair) in elements(data)? {
        let parts = if tag == SEQUENCE { elements(pair)? } else { Vec::new() };
        let [(OID, name), value] = parts.as_slice() else {
            return Err(bad("no pair of OID and value"));
        };
        let arc = match name.split_last() {
            Some((arc, before)) if before == prefix => *arc,
            _ => return Err(bad("an OID of something else")),
        };
        if found.insert(arc, *value).is_some() {
            return Err(bad("an OID twice"));
        }
    }
    Ok(found)
}

/// One DER element after the other.
fn elements(mut data: &[u8]) -> Result<Vec<Element<'_>>, Error> {
    let mut found = Vec::new();
    while !data.is_empty() {
        let [tag, first, rest @ ..] = data else {
            return Err(bad("it ends in a header"));
        };
        let (length, rest) = length(*first, rest)?;
        let (content, rest) = rest.split_at_checked(length).ok_or_else(|| bad("it ends in a value"))?;
        found.push((*tag, content));
        data = rest;
    }
    Ok(found)
}

/// In the one form that DER has for it, up to two bytes; with what follows.
fn length(first: u8, rest: &[u8]) -> Result<(usize, &[u8]), Error> {
    let (length, rest) = match (first, rest) {
        (0x81, [length, rest @ ..]) if *length >= SHORT => (u16::from(*length), rest),
        (0x82, [high, low, rest @ ..]) if *high > 0 => (u16::from_be_bytes([*high, *low]), rest),
        _ if first < SHORT => (u16::from(first), rest),
        _ => return Err(bad("a length that is not DER")),
    };
    Ok((usize::from(length), rest))
}

fn part<'a>(parts: &Parts<'a>, arc: u8, tag: u8) -> Result<&'a [u8], Error> {
    match parts.get(&arc) {
        Some((found, content)) if *found == tag => Ok(content),
        _ => Err(bad(&format!("part {arc} is missing, or of another type"))),
    }
}

fn sized<const N: usize>(parts: &Parts<'_>, arc: u8) -> Result<[u8; N], Error> {
    let content = part(parts, arc, OCTETS)?;
    content
        .try_into()
        .map_err(|_| bad(&format!("part {arc} does not have {N} bytes")))
}

/// Not negative, in as few bytes as it takes, and not too large for what it is.
fn integer<T: TryFrom<u32>>(content: &[u8]) -> Result<T, Error> {
    let digits = match content {
        [0] => content,
        [0, digits @ ..] if digits.first().is_some_and(|first| *first >= 0x80) => digits,
        [1..0x80, ..] => content,
        _ => return Err(bad("a number that is not DER, or negative")),
    };
    let number = (digits.len() <= 4).then(|| digits.iter().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte)));
    let fitting = number.and_then(|number| T::try_from(number).ok());
    fitting.ok_or_else(|| bad("a number that is too large"))
}

fn bad(why: &str) -> Error {
    Error::new(
        "evidence.pck",
        format!("the PCK certificate's SGX extensions cannot be read: {why}"),
    )
}
