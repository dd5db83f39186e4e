//! Fuzz targets begin with something that is accepted: what is refused at once leads nowhere.

use casemate_ra_tls::parsers;
use casemate_testing::{Seed, seeds};

#[path = "../fuzz/given/sev_snp.rs"]
mod sev_snp;

#[test]
fn every_seed_is_accepted() {
    for Seed { target, name, bytes } in seeds(env!("CARGO_MANIFEST_DIR")) {
        let read = match target.as_str() {
            "carried" => parsers::carried(&bytes).map(drop),
            "entry" => parsers::entry(&bytes),
            "intel-document" => parsers::intel_document(&bytes),
            "nitro-document" => parsers::nitro_document(&bytes),
            "quote" => parsers::quote(&bytes),
            "event-log" => parsers::event_log(&bytes),
            "report-key" => parsers::report_key(&bytes),
            "sev-snp" => sev_snp::judged(&bytes).expect("a seed").1.map(drop),
            "tpm-quote" => parsers::tpm_quote(&bytes),
            other => panic!("say here what target {other} accepts"),
        };
        assert!(read.is_ok(), "{target}/{name}: {read:?}");
    }
}
