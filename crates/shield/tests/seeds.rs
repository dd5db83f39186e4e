//! Fuzz targets begin with something that is accepted: what is refused at once leads nowhere.

use casemate_shield::bundle::Bundle;
use casemate_shield::manifest::Manifest;
use casemate_shield::parsers::channel_request;
use casemate_testing::{Seed, UnsignedPlatform, seeds};

#[test]
fn every_seed_is_accepted() {
    for Seed { target, name, bytes } in seeds(env!("CARGO_MANIFEST_DIR")) {
        let refused = match target.as_str() {
            "bundle" => Bundle::parse(&bytes).err().map(|error| error.to_string()),
            "channel" => {
                let answered = channel_request(&bytes, &mut UnsignedPlatform::default());
                (!answered).then(|| "no answer".to_owned())
            }
            "manifest" => Manifest::parse(&bytes).err().map(|error| error.to_string()),
            // Three texts, cut up by the fuzzer: nothing that could be refused as a whole.
            "pattern" => None,
            other => panic!("say here what target {other} accepts"),
        };
        assert_eq!(refused, None, "{target}/{name}");
    }
}
