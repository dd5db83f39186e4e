//! The TPM of target `tpm`, and of the test of its seeds as well: it answers what it is given.

use casemate_evidence::Error;
use casemate_evidence::tpm::{Key, TpmPlatform, Transport};

pub const NO_MORE: &str = "no more answers";

/// Gives what is left, one answer a byte of length.
#[derive(Debug)]
struct Answers(Vec<u8>);

impl Transport for Answers {
    fn exchange(&mut self, _command: &[u8]) -> Result<Vec<u8>, Error> {
        let length = usize::from(*self.0.first().ok_or(Error::Malformed(NO_MORE))?);
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

/// One that answers with what is behind the first byte; and whether it is to be asked for evidence, or to bind a manifest.
/// None of no bytes.
pub fn answering(bytes: &[u8]) -> Option<(TpmPlatform, bool)> {
    let (first, rest) = bytes.split_first()?;
    let key = if first & 1 == 0 {
        Key::Usual
    } else {
        Key::Persistent(0x8100_0003)
    };
    let platform = TpmPlatform::over(Box::new(Answers(rest.to_vec())), key).with_certificate();
    Some((platform, first & 2 == 0))
}
