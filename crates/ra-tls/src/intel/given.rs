//! The vectors of spec/vectors/tdx and spec/vectors/sgx, as the verifiers of this crate take them.

use std::collections::{BTreeMap, BTreeSet};

use casemate_wire::encoding::time;
use serde_json::Value;

use crate::vectors::{hex, json, ours, read};
use crate::x509::Certificate;
use crate::{Claims, Endorsements, Error, Evidence, Expected, Format, sgx, tdx};

/// One of them, with what must come of it.
#[derive(Clone)]
pub struct Case {
    pub name: String,
    pub root: Certificate,
    pub evidence: Evidence,
    pub endorsements: Endorsements,
    pub at: i64,
    pub expected: Expected,
    pub outcome: Value,
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_else(|| panic!("no {name}"))
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    let all = value.as_array().into_iter().flatten();
    all.map(|item| item.as_str().unwrap())
}

impl Case {
    pub fn named(platform: &str, name: &str) -> Self {
        let folder = ours(platform);
        let value = json(&folder.join("cases").join(format!("{name}.json")));
        let file = |name: &str| read(&folder.join(name));
        let wanted = &value["expected"];
        let floors = wanted["floors"].as_object().unwrap().iter();
        Self {
            name: name.to_owned(),
            root: Certificate::parse(&file(text(&value, "root")), "root").unwrap(),
            evidence: Evidence {
                format: if platform == "tdx" { Format::Tdx } else { Format::Sgx },
                report: file(text(&value, "quote")),
                log: value["log"].as_str().map(file),
            },
            endorsements: Endorsements {
                certificates: file(text(&value, "certificates")),
                crls: texts(&value["lists"]).map(file).collect(),
                documents: texts(&value["documents"]).map(file).collect(),
            },
            at: time(text(&value, "at")).unwrap(),
            expected: Expected {
                report_data: hex(text(wanted, "report_data")).try_into().unwrap(),
                manifest: hex(text(wanted, "manifest")).try_into().unwrap(),
                floors: floors
                    .map(|(name, number)| (name.clone(), number.as_u64().unwrap()))
                    .collect(),
                max_vmpl: 0,
                excused: BTreeSet::new(),
            },
            outcome: value["outcome"].clone(),
        }
    }

    pub fn judge(&self) -> Result<Claims, Error> {
        self.judge_under(Some(&self.root))
    }

    pub fn judge_under(&self, root: Option<&Certificate>) -> Result<Claims, Error> {
        let verify = if self.evidence.format == Format::Tdx {
            tdx::verify
        } else {
            sgx::verify
        };
        verify(root, &self.evidence, &self.endorsements, self.at, &self.expected)
    }

    /// All of a platform.
    pub fn all(platform: &str) -> Vec<Self> {
        let files = std::fs::read_dir(ours(platform).join("cases")).unwrap();
        let paths = files.map(|file| file.unwrap().path());
        let mut names: Vec<_> = paths
            .map(|path| path.file_stem().unwrap().to_str().unwrap().to_owned())
            .collect();
        names.sort();
        names.iter().map(|name| Self::named(platform, name)).collect()
    }
}

/// Of the lists in all that is right.
pub fn seen() -> BTreeMap<String, u64> {
    numbers(&[
        ("crl:intel-root:number", 1),
        ("crl:intel-root:issued", 1_779_235_200),
        ("crl:intel-platform:number", 1),
        ("crl:intel-platform:issued", 1_779_235_200),
    ])
}

/// Of the documents.
pub fn chosen(platform: &str) -> BTreeMap<String, u64> {
    numbers(&[
        (&format!("tcb-info:{platform}:b0c06f000000:evaluation"), 20),
        (&format!("qe-identity:{platform}:evaluation"), 20),
    ])
}

fn numbers(all: &[(&str, u64)]) -> BTreeMap<String, u64> {
    all.iter().map(|(name, number)| ((*name).to_owned(), *number)).collect()
}
