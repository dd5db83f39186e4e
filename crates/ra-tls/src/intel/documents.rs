//! TCB info and enclave identities: what Intel publishes of kinds of machines and of its own enclaves, signed JSON.
//!
//! Source: Intel Provisioning Certification Service, API version 4, "Get TCB Info", "Get Quoting Enclave identity".
//! Intel signs the bytes of the inner object as they are sent. It adds fields from time to time, which are signed too:
//! unknown ones are no error here.
//!
//! Which level a TCB has is the first that fits, so their order decides. Levels of machines have none in the document
//! that counts: Intel's quote verification library sorts them (`TcbLevel::operator>`), and refuses two that are one
//! (`TcbInfo::TcbInfo`). What has one version only, it takes in the document's order of enclaves and sorts of modules:
//! that order has to be the one that it sorts in, so that whoever reads the document comes to the same level.

use std::collections::BTreeSet;

use serde_json::Value;

use super::json::{self, text, time};
use super::json::{Field, Object, bytes, exactly, from_hex, inner, list, list_or_none, number, object, optional};
use super::machine::COMPONENTS;
use super::signing::Point;
use crate::Error;

/// Real ones are below 20 KiB.
const MAX_DOCUMENT_BYTES: usize = 256 * 1024;
const MAX_LEVELS: usize = 1000;
const MAX_MODULES: usize = 100;
const MAX_ADVISORIES: usize = 256;
const STEP: &str = "evidence.documents";

/// Intel's words.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    UpToDate,
    HardeningNeeded,
    ConfigurationNeeded,
    ConfigurationAndHardeningNeeded,
    OutOfDate,
    OutOfDateConfigurationNeeded,
    Revoked,
}

impl Status {
    const OF_MACHINES: [(&'static str, Self); 7] = [
        ("UpToDate", Self::UpToDate),
        ("SWHardeningNeeded", Self::HardeningNeeded),
        ("ConfigurationNeeded", Self::ConfigurationNeeded),
        (
            "ConfigurationAndSWHardeningNeeded",
            Self::ConfigurationAndHardeningNeeded,
        ),
        ("OutOfDate", Self::OutOfDate),
        ("OutOfDateConfigurationNeeded", Self::OutOfDateConfigurationNeeded),
        ("Revoked", Self::Revoked),
    ];
    /// Of a module or an enclave.
    const OF_VERSIONS: [(&'static str, Self); 3] = [
        ("UpToDate", Self::UpToDate),
        ("OutOfDate", Self::OutOfDate),
        ("Revoked", Self::Revoked),
    ];
}

/// What Intel says of a TCB that is at least this one.
#[derive(Debug)]
pub struct Said {
    pub status: Status,
    pub advisories: BTreeSet<String>,
}

/// `tdx` is there where it runs trust domains.
#[derive(Debug)]
pub struct MachineLevel {
    pub sgx: [u8; COMPONENTS],
    pub pce: u16,
    pub tdx: Option<[u8; COMPONENTS]>,
    pub said: Said,
}

/// Of a module or an enclave.
#[derive(Debug)]
pub struct VersionLevel {
    pub isv: u16,
    pub said: Said,
}

/// Whose a TDX module is.
#[derive(Debug)]
pub struct Module {
    pub mr_signer: [u8; 48],
    pub attributes: [u8; 8],
    pub attributes_mask: [u8; 8],
}

/// Of a major version of the TDX module: `TDX_03` is version 3.
#[derive(Debug)]
pub struct ModuleIdentity {
    pub id: String,
    pub module: Module,
    pub levels: Vec<VersionLevel>,
}

/// What both kinds of documents say of themselves. Times are Unix seconds.
#[derive(Debug)]
pub struct Dated {
    pub id: String,
    pub issued: i64,
    pub next_update: i64,
    pub evaluation: u32,
}

/// Of one kind of machine, `levels` from the highest on. `module` is of modules of major version 0, which were not
/// numbered.
#[derive(Debug)]
pub struct TcbInfo {
    pub dated: Dated,
    pub fmspc: [u8; 6],
    pub pce_id: [u8; 2],
    pub levels: Vec<MachineLevel>,
    pub module: Option<Module>,
    pub modules: Vec<ModuleIdentity>,
}

/// Of a quoting enclave.
#[derive(Debug)]
pub struct EnclaveIdentity {
    pub dated: Dated,
    pub misc_select: [u8; 4],
    pub misc_select_mask: [u8; 4],
    pub attributes: [u8; 16],
    pub attributes_mask: [u8; 16],
    pub mr_signer: [u8; 32],
    pub isv_product: u16,
    pub levels: Vec<VersionLevel>,
}

/// `by` is the index of who signed it, of those that were offered.
#[derive(Debug)]
pub struct Signed<T> {
    pub content: T,
    pub by: usize,
}

/// One or the other.
#[derive(Debug)]
pub enum Document {
    Info(Signed<TcbInfo>),
    Identity(Signed<EnclaveIdentity>),
}

/// One document as Intel sends it, signed by one of `signers`.
pub fn opened(document: &[u8], signers: &[Point]) -> Result<Document, Error> {
    if document.len() > MAX_DOCUMENT_BYTES {
        return Err(bad("a document of Intel's is too large")
            .expected(format!("at most {MAX_DOCUMENT_BYTES} bytes"))
            .got(document.len().to_string()));
    }
    let outer = Outer::of(document)?;
    // First of all: what somebody else wrote is not looked at.
    let by = signers
        .iter()
        .position(|point| point.signed(outer.text, &outer.signature));
    let by = by.ok_or_else(|| {
        let reason = "a document is not signed by Intel's key for it, or not as it was sent";
        Error::new("evidence.document_signature", reason)
    })?;
    outer.content(by)
}

/// For parsers alone: one document, whoever signed it.
pub fn read_document(document: &[u8]) -> Result<(), Error> {
    Outer::of(document)?.content(0).map(drop)
}

/// `{"tcbInfo": {…}, "signature": "…"}`, or with `enclaveIdentity`: nothing else, and in this order. `text` is what was
/// signed.
struct Outer<'a> {
    is_info: bool,
    text: &'a [u8],
    signature: [u8; 64],
}

const SIGNATURE_DIGITS: usize = 128;

impl<'a> Outer<'a> {
    fn of(document: &'a [u8]) -> Result<Self, Error> {
        Self::read(document).ok_or_else(|| {
            bad("no document of Intel's").expected(r#"{"tcbInfo": {...}, "signature": "..."}, or enclaveIdentity"#)
        })
    }

    fn content(&self, by: usize) -> Result<Document, Error> {
        let value = json::read(self.text).map_err(not_understood)?;
        let read = if self.is_info {
            info(&value).map(|content| Document::Info(Signed { content, by }))
        } else {
            identity(&value).map(|content| Document::Identity(Signed { content, by }))
        };
        read.map_err(not_understood)
    }

    fn read(document: &'a [u8]) -> Option<Self> {
        let inside = after(document, b"{")?;
        let (is_info, inside) = match after(inside, br#""tcbInfo""#) {
            Some(inside) => (true, inside),
            None => (false, after(inside, br#""enclaveIdentity""#)?),
        };
        let inside = start(after(inside, b":")?);
        // The rest from its end: what is signed may hold anything, ends like this one among it.
        let inside = before(before(inside, b"}")?, b"\"")?;
        let (inside, digits) = inside.split_at_checked(inside.len().checked_sub(SIGNATURE_DIGITS)?)?;
        let inside = before(inside.strip_suffix(b"\"")?, b":")?;
        let text = end(before(before(inside, br#""signature""#)?, b",")?);
        let is_object = text.len() >= 2 && text.starts_with(b"{") && text.ends_with(b"}");
        Some(Self {
            is_info,
            text: Some(text).filter(|_| is_object)?,
            signature: from_hex(digits)?,
        })
    }
}

/// White space, as regular expressions over bytes have it in Python: with form feed and vertical tab.
fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t'..=b'\r')
}

fn start(text: &[u8]) -> &[u8] {
    let place = text.iter().position(|byte| !is_space(*byte)).unwrap_or(text.len());
    &text[place..]
}

fn end(text: &[u8]) -> &[u8] {
    let length = text
        .iter()
        .rposition(|byte| !is_space(*byte))
        .map_or(0, |place| place + 1);
    &text[..length]
}

/// What stands behind `word`, which may have white space before it.
fn after<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    start(text).strip_prefix(word)
}

/// What stands before `word`, which may have white space behind it.
fn before<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    end(text).strip_suffix(word)
}

fn info(value: &Value) -> Field<TcbInfo> {
    let from = object(value, "tcbInfo")?;
    let dated = dated(from, &["SGX", "TDX"])?;
    exactly(from, "version", 3)?;
    exactly(from, "tcbType", 0)?;
    let levels = list(from, "tcbLevels", MAX_LEVELS)?;
    let levels = levels.iter().map(machine_level).collect::<Field<Vec<_>>>()?;
    // Components of TDX in an info of SGX would tell levels apart that are the same there.
    if levels.iter().any(|level| level.tdx.is_some() != (dated.id == "TDX")) {
        return Err("tdxtcbcomponents");
    }
    let modules = list_or_none(from, "tdxModuleIdentities", MAX_MODULES)?;
    let module = match optional(from, "tdxModule") {
        Some(value) => Some(module(object(value, "tdxModule")?)?),
        // An info of TDX has one, whatever modules are numbered besides: Intel's library asks for it as well.
        None if dated.id == "TDX" => return Err("tdxModule"),
        None => None,
    };
    Ok(TcbInfo {
        fmspc: bytes(from, "fmspc")?,
        pce_id: bytes(from, "pceId")?,
        levels: in_order(levels)?,
        module,
        modules: modules.iter().map(module_identity).collect::<Field<_>>()?,
        dated,
    })
}

fn identity(value: &Value) -> Field<EnclaveIdentity> {
    let from = object(value, "enclaveIdentity")?;
    exactly(from, "version", 2)?;
    Ok(EnclaveIdentity {
        dated: dated(from, &["QE", "TD_QE", "QVE"])?,
        misc_select: bytes(from, "miscselect")?,
        misc_select_mask: bytes(from, "miscselectMask")?,
        attributes: bytes(from, "attributes")?,
        attributes_mask: bytes(from, "attributesMask")?,
        mr_signer: bytes(from, "mrsigner")?,
        isv_product: number(from, "isvprodid")?,
        levels: version_levels(from)?,
    })
}

fn dated(from: &Object, ids: &[&str]) -> Field<Dated> {
    let id = text(from, "id")?;
    Ok(Dated {
        id: Some(id).filter(|id| ids.contains(id)).ok_or("id")?.to_owned(),
        issued: time(from, "issueDate")?,
        next_update: time(from, "nextUpdate")?,
        evaluation: number(from, "tcbEvaluationDataNumber")?,
    })
}

fn machine_level(value: &Value) -> Field<MachineLevel> {
    let from = object(value, "tcbLevels")?;
    let tcb = inner(from, "tcb")?;
    let tdx = optional(tcb, "tdxtcbcomponents").map(|_| components(tcb, "tdxtcbcomponents"));
    Ok(MachineLevel {
        sgx: components(tcb, "sgxtcbcomponents")?,
        pce: number(tcb, "pcesvn")?,
        tdx: tdx.transpose()?,
        said: said(from, &Status::OF_MACHINES)?,
    })
}

fn components(from: &Object, name: &'static str) -> Field<[u8; COMPONENTS]> {
    let all = list(from, name, COMPONENTS)?;
    let all = all.iter().map(|one| number(object(one, name)?, "svn"));
    all.collect::<Field<Vec<_>>>()?.try_into().map_err(|_| name)
}

fn said(from: &Object, known: &[(&str, Status)]) -> Field<Said> {
    time(from, "tcbDate")?;
    let word = text(from, "tcbStatus")?;
    let status = known.iter().find(|(name, _)| *name == word).ok_or("tcbStatus")?.1;
    let advisories = list_or_none(from, "advisoryIDs", MAX_ADVISORIES)?;
    let advisories = advisories.iter().map(|one| one.as_str().map(str::to_owned));
    Ok(Said {
        status,
        advisories: advisories.collect::<Option<_>>().ok_or("advisoryIDs")?,
    })
}

/// From the highest on, and no two of the same TCB.
fn in_order(mut levels: Vec<MachineLevel>) -> Field<Vec<MachineLevel>> {
    let order = |level: &MachineLevel| (level.sgx, level.pce, level.tdx);
    levels.sort_by_key(|level| std::cmp::Reverse(order(level)));
    if levels.windows(2).any(|pair| order(&pair[0]) == order(&pair[1])) {
        return Err("tcbLevels");
    }
    Ok(levels)
}

fn version_levels(from: &Object) -> Field<Vec<VersionLevel>> {
    let levels = list(from, "tcbLevels", MAX_LEVELS)?;
    let levels = levels.iter().map(version_level).collect::<Field<Vec<_>>>()?;
    if levels.windows(2).any(|pair| pair[0].isv <= pair[1].isv) {
        return Err("tcbLevels");
    }
    Ok(levels)
}

fn version_level(value: &Value) -> Field<VersionLevel> {
    let from = object(value, "tcbLevels")?;
    Ok(VersionLevel {
        isv: number(inner(from, "tcb")?, "isvsvn")?,
        said: said(from, &Status::OF_VERSIONS)?,
    })
}

fn module_identity(value: &Value) -> Field<ModuleIdentity> {
    let from = object(value, "tdxModuleIdentities")?;
    Ok(ModuleIdentity {
        id: text(from, "id")?.to_owned(),
        module: module(from)?,
        levels: version_levels(from)?,
    })
}

fn module(from: &Object) -> Field<Module> {
    Ok(Module {
        mr_signer: bytes(from, "mrsigner")?,
        attributes: bytes(from, "attributes")?,
        attributes_mask: bytes(from, "attributesMask")?,
    })
}

fn not_understood(field: &'static str) -> Error {
    bad("a document of Intel's that is not understood").got(field)
}

fn bad(reason: &str) -> Error {
    Error::new(STEP, reason)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::vectors::{ours, read};

    fn outer(document: &str) -> Option<(bool, String)> {
        let found = Outer::read(document.as_bytes())?;
        Some((found.is_info, String::from_utf8(found.text.to_vec()).unwrap()))
    }

    /// What Python's expression takes, and nothing else.
    #[test]
    fn the_outer_form_is_read_to_the_byte() {
        let digits = "aB".repeat(64);
        let inner = r#"{"a":"}, \"signature\":"} , "signature" : {}"#.to_owned() + "\u{b}}";
        for document in [
            format!(r#"{{"tcbInfo":{inner},"signature":"{digits}"}}"#),
            format!("\t\u{b}\u{c}\r\n {{ \"tcbInfo\" : {inner}\u{c}, \"signature\"\n:\u{b}\"{digits}\" }}\r\n"),
        ] {
            assert_eq!(outer(&document), Some((true, inner.clone())), "{document}");
            for wrong in [
                document.replace("tcbInfo", "TcbInfo"),
                document.replace("tcbInfo", "tcbInfo "),
                document.replace("\"tcbInfo\"", "\"tcbInfo\",\"enclaveIdentity\""),
                document.replace(&digits, &digits[2..]),
                document.replace(&digits, &format!("{digits}0")),
                document.replace(&digits, &format!("g{}", &digits[1..])),
                document.replace(&digits, &format!(" {digits}")),
                format!("{document}x"),
                format!("{document}}}"),
                format!("x{document}"),
                document.replace(&inner, "[]"),
                document.replace(&inner, "{"),
                document.replace(&inner, ""),
                format!("\u{1c}{document}"),
                format!("\u{a0}{document}"),
                "{}".to_owned(),
                String::new(),
            ] {
                assert_eq!(outer(&wrong), None, "{wrong}");
            }
        }
        let identity = format!(r#"{{"enclaveIdentity":{{}},"signature":"{digits}"}}"#);
        assert_eq!(outer(&identity), Some((false, "{}".to_owned())));
    }

    fn value(name: &str) -> Value {
        let document = read(&ours(&format!("tdx/documents/{name}.json")));
        serde_json::from_slice(Outer::of(&document).unwrap().text).unwrap()
    }

    /// Every field that is read, put to what it may not be.
    #[test]
    fn each_field_is_of_its_type() {
        let wrong = [
            Value::Null,
            Value::Bool(false),
            Value::from(-1),
            Value::from(1.0),
            Value::from(1_u64 << 32),
            Value::from("x"),
            Value::from(vec![Value::Null]),
        ];
        let of_info = [
            "/id",
            "/version",
            "/issueDate",
            "/nextUpdate",
            "/fmspc",
            "/pceId",
            "/tcbType",
            "/tcbLevels",
            "/tcbEvaluationDataNumber",
            "/tdxModuleIdentities",
            "/tdxModuleIdentities/0/mrsigner",
            "/tdxModuleIdentities/0/attributes",
            "/tdxModuleIdentities/0/attributesMask",
            "/tdxModuleIdentities/0/tcbLevels",
            "/tdxModuleIdentities/0/tcbLevels/0/tcb/isvsvn",
            "/tcbLevels/0/tcb",
            "/tcbLevels/0/tcb/sgxtcbcomponents",
            "/tcbLevels/0/tcb/sgxtcbcomponents/0",
            "/tcbLevels/0/tcb/sgxtcbcomponents/15/svn",
            "/tcbLevels/0/tcb/tdxtcbcomponents",
            "/tcbLevels/0/tcb/pcesvn",
            "/tcbLevels/0/tcbDate",
            "/tcbLevels/0/tcbStatus",
        ];
        let of_identity = [
            "/id",
            "/version",
            "/issueDate",
            "/nextUpdate",
            "/tcbEvaluationDataNumber",
            "/miscselect",
            "/miscselectMask",
            "/attributes",
            "/attributesMask",
            "/mrsigner",
            "/isvprodid",
            "/tcbLevels",
            "/tcbLevels/0/tcb/isvsvn",
            "/tcbLevels/0/tcbDate",
            "/tcbLevels/0/tcbStatus",
        ];
        let reads = [
            |value: &Value| info(value).is_ok(),
            |value: &Value| identity(value).is_ok(),
        ];
        for (right, fields, reads) in [
            (value("version-4.0"), &of_info[..], reads[0]),
            (value("version-4.1"), &of_identity[..], reads[1]),
        ] {
            assert!(reads(&right));
            for field in fields {
                for other in &wrong {
                    let mut changed = right.clone();
                    *changed.pointer_mut(field).unwrap() = other.clone();
                    assert!(!reads(&changed), "{field} {other}");
                }
                let mut without = right.clone();
                let (parent, name) = field.rsplit_once('/').unwrap();
                if let Some(parent) = without.pointer_mut(parent).and_then(Value::as_object_mut) {
                    parent.remove(name).unwrap();
                    // Of a kind of machine whose module was not numbered, there are none.
                    assert_eq!(reads(&without), *field == "/tdxModuleIdentities", "without {field}");
                }
            }
        }
    }

    #[test]
    fn advisories_are_strings_and_may_be_left_out() {
        let read = |advisories: &str| {
            let text = format!(r#"{{"tcbDate":"2026-01-01T00:00:00Z","tcbStatus":"UpToDate"{advisories}}}"#);
            let value: Value = serde_json::from_str(&text).unwrap();
            said(value.as_object().unwrap(), &Status::OF_VERSIONS).map(|said| said.advisories.len())
        };
        assert_eq!(read(""), Ok(0));
        assert_eq!(read(r#","advisoryIDs":["b","a","b"]"#), Ok(2));
        for wrong in ["null", r#""a""#, r#"["a",1]"#, "{}"] {
            assert!(read(&format!(r#","advisoryIDs":{wrong}"#)).is_err(), "{wrong}");
        }
        let many = |count: usize| format!(r#","advisoryIDs":{:?}"#, vec!["a"; count]);
        assert_eq!((read(&many(256)), read(&many(257))), (Ok(1), Err("advisoryIDs")));
    }

    /// The last of two fields of one name counts, as for Python's reader.
    #[test]
    fn of_two_fields_the_last_counts() {
        let read = |text: &str| {
            let value: Value = serde_json::from_str(text).unwrap();
            number::<u8>(value.as_object().unwrap(), "svn")
        };
        assert_eq!(read(r#"{"svn":"x","svn":2}"#), Ok(2));
        assert!(read(r#"{"svn":2,"svn":"x"}"#).is_err());
        for wrong in ["-0", "2.0", "2e0", "256", "true", "18446744073709551616"] {
            assert!(read(&format!(r#"{{"svn":{wrong}}}"#)).is_err(), "{wrong}");
        }
    }

    #[test]
    fn levels_are_not_too_many() {
        let level = |isv: usize| serde_json::json!({"tcb": {"isvsvn": isv}, "tcbDate": "2026-01-01T00:00:00Z", "tcbStatus": "UpToDate"});
        for (count, wanted) in [(1000, true), (1001, false)] {
            let mut right = value("version-4.1");
            right["tcbLevels"] = (0..count).rev().map(level).collect();
            assert_eq!(identity(&right).is_ok(), wanted, "{count}");
        }
        for (count, wanted) in [(100, true), (101, false)] {
            let mut right = value("version-4.0");
            let one = right["tdxModuleIdentities"][0].clone();
            right["tdxModuleIdentities"] = vec![one; count].into();
            assert_eq!(info(&right).is_ok(), wanted, "{count}");
        }
    }
}
