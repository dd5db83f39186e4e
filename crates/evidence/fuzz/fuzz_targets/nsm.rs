//! What a Nitro Security Module answers: any bytes give a document or an error.
#![no_main]

use casemate_evidence::nsm::{Module, NitroPlatform};
use casemate_evidence::{Error, Platform};
use libfuzzer_sys::fuzz_target;

#[derive(Debug)]
struct Noise(Vec<u8>);

impl Module for Noise {
    fn exchange(&mut self, _request: &[u8]) -> Result<Vec<u8>, Error> {
        Ok(self.0.clone())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let mut platform = NitroPlatform::over(Box::new(Noise(bytes.to_vec())));
    let _ = platform.evidence(&[0; 64]);
    let _ = platform.bind(&[0; 32]);
});
