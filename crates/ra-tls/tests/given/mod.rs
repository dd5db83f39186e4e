//! The vectors of spec/vectors, as this crate takes them.
#![allow(dead_code, reason = "each test uses some of it")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use casemate_ra_tls::{Asked, AttestedPeer, Endorsements, Evidence, Expected, Format, Platform, Roots, Waived, Waiver};
use casemate_wire::encoding::{digest, time};
use serde_json::Value;

pub fn folder(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../../spec/vectors")
        .join(name)
}

pub fn json(path: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(path).unwrap()).unwrap()
}

pub fn hex(text: &str) -> Vec<u8> {
    let pairs = text.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).unwrap());
    pairs.map(|pair| u8::from_str_radix(pair, 16).unwrap()).collect()
}

pub fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name]
        .as_str()
        .unwrap_or_else(|| panic!("{name} of {}", value["name"]))
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .map(|item| item.as_str().unwrap())
}

fn numbers(value: &Value) -> BTreeMap<String, u64> {
    let all = value.as_object().into_iter().flatten();
    all.map(|(name, number)| (name.clone(), number.as_u64().unwrap()))
        .collect()
}

pub fn at(value: &Value) -> i64 {
    time(text(value, "at")).unwrap()
}

/// Of spec/vectors/ra-tls.
pub struct Case {
    pub name: String,
    pub certificate: Vec<u8>,
    pub at: i64,
    pub peer: AttestedPeer,
    pub outcome: Value,
}

pub fn by_evidence() -> Value {
    json(&folder("ra-tls/by-evidence.json"))
}

pub fn cases() -> Vec<Case> {
    by_evidence()["cases"]
        .as_array()
        .unwrap()
        .iter()
        .map(Case::of)
        .collect()
}

pub fn case(name: &str) -> Case {
    cases().into_iter().find(|case| case.name == name).unwrap()
}

impl Case {
    fn of(value: &Value) -> Self {
        let wanted = &value["wanted"];
        let roots = Roots {
            amd: true,
            simulated: texts(&value["roots"]["simulated"]).map(str::to_owned).collect(),
            simulated_containers: texts(&value["roots"]["simulated_containers"])
                .map(str::to_owned)
                .collect(),
            ..Roots::default()
        };
        let mut peer = AttestedPeer::new(
            digest(text(wanted, "custodian")).unwrap(),
            texts(&wanted["runtimes"]).map(str::to_owned),
            texts(&wanted["manifests"]).map(|manifest| digest(manifest).unwrap()),
            roots,
        );
        peer.floors = numbers(&wanted["floors"]);
        if let Some(asked) = value["platforms"].as_object() {
            peer.platforms = asked
                .iter()
                .map(|(name, asked)| (platform(name), asked_of(asked)))
                .collect();
        }
        Self {
            name: text(value, "name").to_owned(),
            certificate: hex(text(value, "certificate")),
            at: at(value),
            peer,
            outcome: value["outcome"].clone(),
        }
    }
}

fn platform(name: &str) -> Platform {
    Platform::ALL
        .into_iter()
        .find(|platform| platform.name() == name)
        .unwrap()
}

fn asked_of(value: &Value) -> Asked {
    let require = value["require"].as_object().into_iter().flatten();
    let waivers = value["waive"].as_array().into_iter().flatten().map(|waiver| Waiver {
        of: Waived::Lack(text(waiver, "lacks").to_owned()),
        until: time(text(waiver, "until")).unwrap(),
    });
    Asked {
        tcb: numbers(&value["tcb"]),
        require: require
            .map(|(name, admitted)| (name.clone(), texts(admitted).map(str::to_owned).collect()))
            .collect(),
        waivers: waivers.collect(),
    }
}

/// SEV-SNP evidence with what a verifier is to expect.
#[derive(Clone)]
pub struct Made {
    pub evidence: Evidence,
    pub endorsements: Endorsements,
    pub roots: Roots,
    pub at: i64,
    pub expected: Expected,
}

impl Made {
    pub fn judge(&self) -> Result<casemate_ra_tls::Claims, casemate_ra_tls::Error> {
        casemate_ra_tls::verify(&self.evidence, &self.endorsements, &self.roots, self.at, &self.expected)
    }
}

const ROLES: [(&str, &str); 4] = [
    ("ark", "c0b406a4a803495297433fb6014cd0ae"),
    ("ask", "4ab7b379bbac4fe4a02f05aef327c782"),
    ("vcek", "63da758de6644564adc5f4b93be8accd"),
    ("vlek", "a8074bc2a25a483eaae639c045a0b8a1"),
];

/// A certificate table of these, in this order.
pub fn table(certificates: &[(&str, Vec<u8>)]) -> Vec<u8> {
    let mut offset = u32::try_from(24 * (certificates.len() + 1)).unwrap();
    let (mut head, mut body) = (Vec::new(), Vec::new());
    for (role, data) in certificates {
        let length = u32::try_from(data.len()).unwrap();
        head.extend(hex(ROLES.iter().find(|(known, _)| known == role).unwrap().1));
        head.extend(offset.to_le_bytes());
        head.extend(length.to_le_bytes());
        body.extend(data);
        offset += length;
    }
    [head, vec![0; 24], body].concat()
}

/// A case of spec/vectors/sev-snp, with what must come of it.
pub fn sev_snp(name: &str) -> (Made, Value) {
    let folder = folder("sev-snp");
    let value = json(&folder.join("cases").join(format!("{name}.json")));
    let read = |name: &str| std::fs::read(folder.join(name)).unwrap();
    let certificates = match value["certificates"].as_object() {
        // In the order in which they stand in the file; serde_json sorts, which makes no difference to a table.
        Some(files) => {
            let found: Vec<_> = files
                .iter()
                .map(|(role, file)| (role.as_str(), read(file.as_str().unwrap())))
                .collect();
            table(&found)
        }
        None => read(text(&value, "table")),
    };
    let wanted = &value["expected"];
    let made = Made {
        evidence: Evidence {
            format: Format::SevSnp,
            report: read(text(&value, "report")),
            log: None,
        },
        endorsements: Endorsements {
            certificates,
            crls: texts(&value["lists"]).map(read).collect(),
            documents: Vec::new(),
        },
        roots: Roots {
            amd: true,
            simulated: texts(&value["roots"]).map(str::to_owned).collect(),
            ..Roots::default()
        },
        at: at(&value),
        expected: Expected {
            report_data: hex(text(wanted, "report_data")).try_into().unwrap(),
            manifest: hex(text(wanted, "host_data")).try_into().unwrap(),
            floors: numbers(&wanted["crl_floors"]),
            max_vmpl: u32::try_from(wanted["max_vmpl"].as_u64().unwrap()).unwrap(),
            excused: BTreeSet::new(),
        },
    };
    (made, value["outcome"].clone())
}

/// The names of all of them.
pub fn sev_snp_names() -> Vec<String> {
    let files = std::fs::read_dir(folder("sev-snp/cases")).unwrap();
    let mut names: Vec<_> = files
        .map(|file| file.unwrap().path().file_stem().unwrap().to_str().unwrap().to_owned())
        .collect();
    names.sort();
    names
}
