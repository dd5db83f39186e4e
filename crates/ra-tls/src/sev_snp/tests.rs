//! A made-up AMD in the place of the real one: what a verifier with a cache of endorsements says of certificates.

use std::cell::Cell;
use std::fs;
use std::sync::Arc;

use casemate_wire::encoding::{digest, time};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::vectors::{self, hex, ours};
use crate::x509::Certificate;
use crate::{AttestedPeer, Completing, Endorsements, Evidence, Roots, completed};

thread_local! {
    static MADE_UP: Cell<Option<&'static [Certificate]>> = const { Cell::new(None) };
}

/// The roots that a test has put into the place of AMD's.
pub fn made_up() -> Option<&'static [Certificate]> {
    MADE_UP.get()
}

/// As a program has it. That crate knows this one by another name, as it is without its tests.
#[derive(Debug)]
struct Cache(casemate_endorsements::Cache);

impl Completing for Cache {
    fn completed(&self, evidence: &Evidence, came: &Endorsements) -> Endorsements {
        completed(evidence, came, |name| self.0.get(name))
    }
}

fn cache(entries: &Value) -> (TempDir, Cache) {
    let folder = tempfile::tempdir().unwrap();
    for (name, data) in entries.as_object().unwrap() {
        let path = folder.path().join(name);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, hex(data.as_str().unwrap())).unwrap();
    }
    let cache = casemate_endorsements::Cache::new(folder.path());
    (folder, Cache(cache))
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().unwrap().iter().map(|text| text.as_str().unwrap())
}

fn peer(case: &Value, root: &Certificate) -> AttestedPeer {
    let wanted = &case["wanted"];
    let roots = Roots {
        amd: true,
        ..Roots::default()
    };
    let mut peer = AttestedPeer::new(
        digest(wanted["custodian"].as_str().unwrap()).unwrap(),
        texts(&wanted["runtimes"]).map(str::to_owned),
        texts(&wanted["manifests"]).map(|manifest| digest(manifest).unwrap()),
        roots,
    );
    let floor = case["floor"].as_u64();
    peer.floors = floor.map(|floor| (root.fingerprint(), floor)).into_iter().collect();
    peer
}

fn outcome(peer: &AttestedPeer, case: &Value) -> Value {
    let certificate = hex(case["certificate"].as_str().unwrap());
    match peer.verify(&certificate, time(case["at"].as_str().unwrap()).unwrap()) {
        Ok(claims) => json!({"platform": claims.platform.name()}),
        Err(error) => json!({"step": error.step}),
    }
}

/// Each certificate of the vectors, with the root that stands behind it in the place of AMD's.
fn each(look: impl Fn(&Value, &Certificate)) {
    let file = vectors::json(&ours("endorsements/certificates.json"));
    let root = Certificate::parse(&hex(file["root"].as_str().unwrap()), "root").unwrap();
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 12);
    MADE_UP.set(Some(Box::leak(Box::new([root.clone()]))));
    cases.iter().for_each(|case| look(case, &root));
    MADE_UP.set(None);
}

#[test]
fn certificates_are_judged_by_what_a_cache_has_as_the_vectors_say() {
    each(|case, root| {
        let (_folder, cache) = cache(&case["cache"]);
        let mut peer = peer(case, root);
        peer.completing = Some(Arc::new(cache));
        assert_eq!(outcome(&peer, case), case["outcome"], "{}", case["name"]);
    });
}

#[test]
fn without_a_cache_what_is_carried_counts_alone() {
    each(|case, root| {
        let expected = match case["name"].as_str().unwrap() {
            "without a list, which the cache has" => json!({"step": "evidence.crl"}),
            "with a list, revoked by the cache's newer one" => json!({"platform": "sev-snp"}),
            "with nothing but what the cache has" => json!({"step": "evidence.certificates"}),
            _ => return,
        };
        assert_eq!(outcome(&peer(case, root), case), expected, "{}", case["name"]);
    });
}

#[test]
fn a_cache_makes_nothing_genuine() {
    each(|case, root| {
        let (_folder, cache) = cache(&case["cache"]);
        let mut peer = peer(case, root);
        peer.completing = Some(Arc::new(cache));
        peer.roots = Roots::default();
        assert!(outcome(&peer, case).get("step").is_some(), "{}", case["name"]);
    });
}

#[test]
fn entries_of_a_table_that_nobody_reads_do_not_become_many_bytes() {
    let (entries, shared) = (1300_u32, 30_000_u32);
    let mut came = Vec::new();
    for number in 1..=entries {
        came.extend(u128::from(number).to_be_bytes());
        came.extend((24 * (entries + 1)).to_le_bytes());
        came.extend(shared.to_le_bytes());
    }
    came.resize(came.len() + 24 + usize::try_from(shared).unwrap(), 0);
    super::table::Table::parse(&came).unwrap();
    assert_eq!(super::joined(&came, &[]), [0; 24]);
}
