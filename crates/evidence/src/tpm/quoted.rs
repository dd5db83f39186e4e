//! What a quote says, as far as whoever asked for it must look.

use sha2::{Digest, Sha256, Sha384, Sha512};

use super::wire::Reader;
use crate::Error;

/// TPM_GENERATED_VALUE and TPM_ST_ATTEST_QUOTE (part 2, "TPM_GENERATED", "TPM_ST").
const GENERATED: u32 = 0xFF54_4347;
const QUOTE: u16 = 0x8018;
/// TPMS_CLOCK_INFO and the firmware's version.
const CLOCK_AND_VERSION: usize = 17 + 8;

/// Whether a quote (TPMS_ATTEST) is over `qualifying` and the PCRs that `selection` names, with these values; false where
/// only the values are others.
pub(super) fn is_over(attest: &[u8], qualifying: &[u8], selection: &[u8], values: &[[u8; 32]]) -> Result<bool, Error> {
    let mut reader = Reader(attest);
    if reader.u32()? != GENERATED || reader.u16()? != QUOTE {
        return Err(Error::Malformed("no quote"));
    }
    let _signer = reader.sized()?;
    if reader.sized()? != qualifying {
        return Err(Error::Malformed("a quote over something else"));
    }
    reader.take(CLOCK_AND_VERSION)?;
    if reader.take(selection.len())? != selection {
        return Err(Error::Malformed("a quote of other PCRs than were asked for"));
    }
    let digest = reader.sized()?;
    reader.end()?;
    // The hash is that of the key's scheme.
    let all = values.concat();
    match digest.len() {
        32 => Ok(Sha256::digest(&all)[..] == *digest),
        48 => Ok(Sha384::digest(&all)[..] == *digest),
        64 => Ok(Sha512::digest(&all)[..] == *digest),
        _ => Err(Error::Refused(
            "the key signs with a hash that nobody should believe".to_owned(),
        )),
    }
}

#[cfg(test)]
mod tests {
    use super::super::wire::Writer;
    use super::*;

    fn quote(kind: u16, qualifying: &[u8], selection: &[u8], digest: &[u8]) -> Vec<u8> {
        let head = Writer::default()
            .u32(GENERATED)
            .u16(kind)
            .sized(&[1, 2])
            .sized(qualifying);
        head.bytes(&[0; CLOCK_AND_VERSION]).bytes(selection).sized(digest).0
    }

    #[test]
    fn a_quote_is_over_what_was_asked_and_these_values() {
        let values = [[7; 32], [8; 32]];
        for digest in [
            &Sha256::digest(values.concat())[..],
            &Sha384::digest(values.concat()),
            &Sha512::digest(values.concat()),
        ] {
            let made = quote(QUOTE, b"nonce", b"select", digest);
            assert!(is_over(&made, b"nonce", b"select", &values).unwrap());
            assert!(!is_over(&made, b"nonce", b"select", &values[..1]).unwrap());
        }
        let digest = Sha256::digest(values.concat());
        let good = quote(QUOTE, b"nonce", b"select", &digest);
        assert!(is_over(&good, b"nonce", b"selecT", &values).is_err());
        assert!(is_over(&good, b"noncE", b"select", &values).is_err());
        assert!(is_over(&good[..good.len() - 1], b"nonce", b"select", &values).is_err());
        assert!(is_over(&[&good[..], &[0]].concat(), b"nonce", b"select", &values).is_err());
        assert!(
            is_over(
                &quote(0x8017, b"nonce", b"select", &digest),
                b"nonce",
                b"select",
                &values
            )
            .is_err()
        );
        assert!(
            is_over(
                &quote(QUOTE, b"nonce", b"select", &[0; 20]),
                b"nonce",
                b"select",
                &values
            )
            .is_err()
        );
    }
}
