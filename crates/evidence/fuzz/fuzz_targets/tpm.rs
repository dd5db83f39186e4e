//! What a TPM answers, one answer after the other: any bytes give evidence, a bound manifest or an error.
#![no_main]

use casemate_evidence::tpm::{Key, TpmPlatform, Transport};
use casemate_evidence::{Error, Platform};
use libfuzzer_sys::fuzz_target;

/// Gives what is left, one answer a byte of length.
#[derive(Debug)]
struct Noise(Vec<u8>);

impl Transport for Noise {
    fn exchange(&mut self, _command: &[u8]) -> Result<Vec<u8>, Error> {
        let length = usize::from(*self.0.first().ok_or(Error::Malformed("no more answers"))?);
        let mut rest = self.0.split_off(1);
        self.0 = rest.split_off(length.min(rest.len()));
        // Most answers are framed as they should be, so that what is in them is looked at too.
        if length % 4 == 0 {
            return Ok(rest);
        }
        let tag = 0x8001 + u16::from(length % 4 == 1);
        let size = u32::try_from(rest.len() + 10).expect("short");
        Ok([&tag.to_be_bytes()[..], &size.to_be_bytes(), &[0; 4], &rest].concat())
    }
}

fuzz_target!(|bytes: &[u8]| {
    let Some((first, rest)) = bytes.split_first() else {
        return;
    };
    let key = if first & 1 == 0 { Key::Usual } else { Key::Persistent(0x8100_0003) };
    let mut platform = TpmPlatform::over(Box::new(Noise(rest.to_vec())), key).with_certificate();
    if first & 2 == 0 {
        if let Ok(evidence) = platform.evidence(&[0; 64]) {
            let _ = platform.binding(&evidence, &[0; 32]);
        }
    } else {
        let _ = platform.bind(&[0; 32]);
    }
});
