//! What the vectors say that a cache adds to evidence, Python's adds as well.
#![allow(clippy::unwrap_used, reason = "tests")]

mod given;

use casemate_ra_tls::{Completing, Endorsements, Evidence, Format};
use serde_json::Value;

use given::{cache_with, hex, vectors};

struct Parts(Vec<Vec<u8>>);

impl Parts {
    fn get(&self, place: &Value) -> Vec<u8> {
        self.0[usize::try_from(place.as_u64().unwrap()).unwrap()].clone()
    }

    fn all(&self, places: &Value) -> Vec<Vec<u8>> {
        places.as_array().unwrap().iter().map(|place| self.get(place)).collect()
    }

    fn endorsements(&self, said: &Value) -> Endorsements {
        Endorsements {
            certificates: self.get(&said["certificates"]),
            crls: self.all(&said["crls"]),
            documents: self.all(&said["documents"]),
        }
    }
}

fn format(name: &str) -> Format {
    let all = [Format::SevSnp, Format::Tdx, Format::Sgx, Format::Nitro];
    all.into_iter().find(|format| format.name() == name).unwrap()
}

#[test]
fn a_cache_adds_what_the_vectors_say() {
    let file = vectors("completed.json");
    let parts = file["parts"].as_array().unwrap();
    let parts = Parts(parts.iter().map(|part| hex(part.as_str().unwrap())).collect());
    let cases = file["cases"].as_array().unwrap();
    assert!(cases.len() > 80);
    for case in cases {
        let said = &case["evidence"];
        let evidence = Evidence {
            format: format(said["format"].as_str().unwrap()),
            report: parts.get(&said["report"]),
            log: None,
        };
        let entries = case["cache"].as_object().unwrap().iter();
        let (_folder, cache) = cache_with(entries.map(|(name, place)| (name.as_str(), parts.get(place))));
        let completed = cache.completed(&evidence, &parts.endorsements(&case["came"]));
        assert_eq!(completed, parts.endorsements(&case["completed"]), "{}", case["name"]);
    }
}
