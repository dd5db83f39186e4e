//! What a TPM and its owner send: a quote, its signature, the key that made it, the registers that it is about.
//!
//! Source: TCG, Trusted Platform Module Library, Part 2 "Structures", revision 1.59; sections are named below. Big-endian.
//! Nothing of it is believed before the signature verified, and of the key nothing but its numbers is signed by anybody.

use crate::Error;
use crate::eventlog::Algorithm;

/// Of four banks, twenty-four registers each, with RSA of 4,096 bits: below 6 KiB.
const MAX_REPORT_BYTES: usize = 16 * 1024;

/// What the TPM itself made (6.2).
const GENERATED: u64 = 0xff54_4347;
/// And calls a quote (6.9).
const QUOTE: u64 = 0x8018;

const RSA: u64 = 0x0001;
const ECC: u64 = 0x0023;
const NULL: u64 = 0x0010;

/// Bytes of a selection: a PC Client TPM has twenty-four registers.
const SELECT_BYTES: usize = 3;
const MAX_RSA_BYTES: usize = 512;

/// TPMA_OBJECT (8.3), as far as they mean something; the other bits are reserved and zero.
pub const FIXED_TPM: u32 = 1 << 1;
pub const FIXED_PARENT: u32 = 1 << 4;
pub const SENSITIVE_DATA_ORIGIN: u32 = 1 << 5;
pub const RESTRICTED: u32 = 1 << 16;
pub const DECRYPT: u32 = 1 << 17;
pub const SIGN: u32 = 1 << 18;
const ST_CLEAR: u32 = 1 << 2;
const USER_WITH_AUTH: u32 = 1 << 6;
const ADMIN_WITH_POLICY: u32 = 1 << 7;
const NO_DA: u32 = 1 << 10;
const ENCRYPTED_DUPLICATION: u32 = 1 << 11;
const X509_SIGN: u32 = 1 << 19;
const ATTRIBUTES: u32 = FIXED_TPM
    | ST_CLEAR
    | FIXED_PARENT
    | SENSITIVE_DATA_ORIGIN
    | USER_WITH_AUTH
    | ADMIN_WITH_POLICY
    | NO_DA
    | ENCRYPTED_DUPLICATION
    | RESTRICTED
    | DECRYPT
    | SIGN
    | X509_SIGN;

/// How a key signs, by its number in the TCG Algorithm Registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Scheme {
    RsaSsa,
    RsaPss,
    Ecdsa,
}

/// With the hash of what is signed.
pub type Signing = (Scheme, Algorithm);

/// Curves of keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Curve {
    P256,
    P384,
}

/// TPMS_ATTEST (10.12.8) of a quote, as far as anybody asks.
#[derive(Debug)]
pub struct Attest<'a> {
    pub extra: &'a [u8],
    /// Banks and their registers, in the order of the values. Banks of which nothing is selected are left out.
    selection: Vec<(Algorithm, Vec<u8>)>,
    pub digest: &'a [u8],
}

/// TPMT_SIGNATURE (11.3.4).
#[derive(Debug)]
pub struct Signature<'a> {
    pub signing: Signing,
    pub value: SignatureValue<'a>,
}

/// Big-endian numbers.
#[derive(Debug)]
pub enum SignatureValue<'a> {
    Rsa(&'a [u8]),
    Ecdsa { r: &'a [u8], s: &'a [u8] },
}

/// TPMT_PUBLIC (12.2.4) of a key.
#[derive(Debug)]
pub struct Public<'a> {
    pub attributes: u32,
    /// None where the key has no scheme of its own.
    pub signing: Option<Signing>,
    pub numbers: Numbers<'a>,
    /// What the TPM calls it: a digest over all of this.
    pub name: Vec<u8>,
}

/// Big-endian.
#[derive(Debug)]
pub enum Numbers<'a> {
    Rsa {
        bits: u64,
        modulus: &'a [u8],
        exponent: u64,
    },
    Ecc {
        curve: Curve,
        x: &'a [u8],
        y: &'a [u8],
    },
}

/// Numbers of registers and what they hold.
pub type Registers<'a> = Vec<(u8, &'a [u8])>;

/// A quote, understood in every part.
#[derive(Debug)]
pub struct Quote<'a> {
    pub attest: Attest<'a>,
    pub signature: Signature<'a>,
    pub key: Public<'a>,
    /// By bank, in the order of the quote.
    pub values: Vec<(Algorithm, Registers<'a>)>,
    /// The bytes under the signature.
    pub signed: &'a [u8],
}

impl<'a> Quote<'a> {
    /// TPM2B_ATTEST ‖ TPMT_SIGNATURE ‖ TPM2B_PUBLIC ‖ values.
    ///
    /// # Errors
    /// `evidence.quote` for what is none; more exactly where something in it is not known.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        if data.len() > MAX_REPORT_BYTES {
            return Err(malformed("too large")
                .expected(format!("at most {MAX_REPORT_BYTES} bytes"))
                .got(data.len().to_string()));
        }
        let mut reader = Reader { rest: data };
        let signed = reader.sized()?;
        let signature = signature(&mut reader)?;
        let public = reader.sized()?;
        let attest = attest(signed)?;
        let mut values = Vec::new();
        for (bank, numbers) in &attest.selection {
            let registers = numbers
                .iter()
                .map(|number| Ok((*number, reader.take(bank.size())?)))
                .collect::<Result<Registers<'_>, Error>>()?;
            values.push((*bank, registers));
        }
        reader.end()?;
        Ok(Self {
            attest,
            signature,
            key: self::public(public)?,
            values,
            signed,
        })
    }

    /// Of the values, as the quote has it: by the hash of its signature.
    pub fn digest(&self) -> Vec<u8> {
        let registers = self.values.iter().flat_map(|(_, registers)| registers);
        let values: Vec<_> = registers.map(|(_, value)| *value).collect();
        let (_, hash) = self.signature.signing;
        hash.digest(&values)
    }

    /// Registers of a bank; none of one that is not quoted.
    pub fn bank(&self, wanted: Algorithm) -> &[(u8, &'a [u8])] {
        let found = self.values.iter().find(|(bank, _)| *bank == wanted);
        found.map_or(&[], |(_, registers)| registers)
    }

    /// What a register holds, where it is quoted.
    pub fn register(&self, bank: Algorithm, wanted: u8) -> Option<&'a [u8]> {
        let found = self.bank(bank).iter().find(|(number, _)| *number == wanted);
        found.map(|(_, value)| *value)
    }
}

fn attest(signed: &[u8]) -> Result<Attest<'_>, Error> {
    let mut reader = Reader { rest: signed };
    if reader.number(4)? != GENERATED {
        return Err(Error::new("evidence.generated", "signed, but not made by the TPM"));
    }
    let kind = reader.number(2)?;
    if kind != QUOTE {
        return Err(Error::new("evidence.type", "no quote")
            .expected(format!("{QUOTE:#x}"))
            .got(format!("{kind:#x}")));
    }
    let _signer = reader.sized()?;
    let extra = reader.sized()?;
    let _clock_resets_restarts = (reader.number(8)?, reader.number(4)?, reader.number(4)?);
    if reader.number(1)? > 1 {
        return Err(malformed("neither yes nor no"));
    }
    let _firmware = reader.number(8)?;
    let selection = selection(&mut reader)?;
    let digest = reader.sized()?;
    reader.end()?;
    Ok(Attest {
        extra,
        selection,
        digest,
    })
}

/// TPML_PCR_SELECTION (10.9.7).
fn selection(reader: &mut Reader<'_>) -> Result<Vec<(Algorithm, Vec<u8>)>, Error> {
    let mut found: Vec<(Algorithm, Vec<u8>)> = Vec::new();
    for _ in 0..reader.number(4)? {
        let bank = hash(reader.number(2)?, "evidence.banks", "a bank that is not known")?;
        if found.iter().any(|(known, _)| *known == bank) || reader.number(1)? != SELECT_BYTES as u64 {
            return Err(malformed(
                "a selection with a bank that comes twice, or of another size",
            ));
        }
        let bytes = reader.take(SELECT_BYTES)?;
        let bits = bytes.iter().rev().fold(0_u32, |sum, byte| sum << 8 | u32::from(*byte));
        let numbers = (0_u8..24).filter(|number| bits >> number & 1 == 1).collect();
        found.push((bank, numbers));
    }
    found.retain(|(_, numbers)| !numbers.is_empty());
    Ok(found)
}

fn signature<'a>(reader: &mut Reader<'a>) -> Result<Signature<'a>, Error> {
    let scheme = reader.number(2)?;
    let signing = signing(scheme, reader)?;
    let value = match signing {
        (Scheme::Ecdsa, _) => SignatureValue::Ecdsa {
            r: reader.sized()?,
            s: reader.sized()?,
        },
        _ => SignatureValue::Rsa(reader.sized()?),
    };
    Ok(Signature { signing, value })
}

/// The scheme of this number, and its hash, which follows.
fn signing(scheme: u64, reader: &mut Reader<'_>) -> Result<Signing, Error> {
    const STEP: &str = "evidence.algorithm";
    let scheme = match scheme {
        0x0014 => Scheme::RsaSsa,
        0x0016 => Scheme::RsaPss,
        0x0018 => Scheme::Ecdsa,
        other => return Err(unknown(STEP, "a signature scheme that is not known", other)),
    };
    Ok((scheme, hash(reader.number(2)?, STEP, "a hash that is not known")?))
}

fn public(data: &[u8]) -> Result<Public<'_>, Error> {
    let mut reader = Reader { rest: data };
    let kind = reader.number(2)?;
    let name_algorithm = reader.number(2)?;
    let named = naming(name_algorithm)?;
    let attributes = u32::try_from(reader.number(4)?).unwrap_or(u32::MAX);
    if attributes & !ATTRIBUTES != 0 {
        return Err(malformed("a key with reserved attributes"));
    }
    let policy = reader.sized()?.len();
    if policy != 0 && policy != named.size() {
        return Err(malformed("a key with a policy of another size"));
    }
    if reader.number(2)? != NULL {
        return Err(malformed("a key with a cipher, which a key that signs has not"));
    }
    let (signing, numbers) = match kind {
        RSA => (scheme(&mut reader)?, rsa(&mut reader)?),
        ECC => (scheme(&mut reader)?, ecc(&mut reader)?),
        other => return Err(unknown("evidence.key", "a key of another kind", other).expected("RSA or ECC")),
    };
    reader.end()?;
    let name = [named.number().to_be_bytes().as_slice(), &named.digest(&[data])].concat();
    Ok(Public {
        attributes,
        signing,
        numbers,
        name,
    })
}

/// A key's name stands for all that a policy says of the key: of two that collide one could be anything.
fn naming(number: u64) -> Result<Algorithm, Error> {
    const STEP: &str = "evidence.key";
    const REASON: &str = "a hash of a name that is not known";
    match hash(number, STEP, REASON)? {
        Algorithm::Sha1 => Err(unknown(STEP, REASON, number)),
        other => Ok(other),
    }
}

/// TPMT_RSA_SCHEME, TPMT_ECC_SCHEME.
fn scheme(reader: &mut Reader<'_>) -> Result<Option<Signing>, Error> {
    match reader.number(2)? {
        NULL => Ok(None),
        number => signing(number, reader).map(Some),
    }
}

/// Exponent 0 stands for 65,537 (12.2.3.5).
fn rsa<'a>(reader: &mut Reader<'a>) -> Result<Numbers<'a>, Error> {
    let (bits, exponent, modulus) = (reader.number(2)?, reader.number(4)?, reader.sized()?);
    let whole = modulus.first().is_none_or(|first| first & 0x80 != 0);
    if modulus.len() > MAX_RSA_BYTES || !whole || 8 * modulus.len() as u64 != bits {
        return Err(malformed("an RSA key of another size than it says, or too large"));
    }
    let exponent = if exponent == 0 { 65_537 } else { exponent };
    Ok(Numbers::Rsa {
        bits,
        modulus,
        exponent,
    })
}

fn ecc<'a>(reader: &mut Reader<'a>) -> Result<Numbers<'a>, Error> {
    let curve = match reader.number(2)? {
        0x0003 => Curve::P256,
        0x0004 => Curve::P384,
        other => return Err(unknown("evidence.key", "a curve that is not known", other)),
    };
    if reader.number(2)? != NULL {
        return Err(malformed(
            "a key with a derivation scheme, which a key that signs has not",
        ));
    }
    Ok(Numbers::Ecc {
        curve,
        x: reader.sized()?,
        y: reader.sized()?,
    })
}

struct Reader<'a> {
    rest: &'a [u8],
}

impl<'a> Reader<'a> {
    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let (found, rest) = self.rest.split_at_checked(length).ok_or_else(|| malformed("cut off"))?;
        self.rest = rest;
        Ok(found)
    }

    /// Of at most eight bytes.
    fn number(&mut self, size: usize) -> Result<u64, Error> {
        let bytes = self.take(size)?;
        Ok(bytes.iter().fold(0, |sum, byte| sum << 8 | u64::from(*byte)))
    }

    /// TPM2B_…: two bytes of size before it.
    fn sized(&mut self) -> Result<&'a [u8], Error> {
        let [high, low] = self.take(2)? else {
            return Err(malformed("cut off"));
        };
        self.take(usize::from(u16::from_be_bytes([*high, *low])))
    }

    fn end(&self) -> Result<(), Error> {
        if self.rest.is_empty() {
            return Ok(());
        }
        Err(malformed("bytes behind its end"))
    }
}

fn hash(number: u64, step: &'static str, reason: &str) -> Result<Algorithm, Error> {
    let mut all = Algorithm::ALL.into_iter();
    all.find(|known| u64::from(known.number()) == number)
        .ok_or_else(|| unknown(step, reason, number))
}

/// By its number in the TCG Algorithm Registry.
fn unknown(step: &'static str, reason: &str, got: u64) -> Error {
    Error::new(step, reason).got(format!("{got:#06x}"))
}

fn malformed(why: &str) -> Error {
    Error::new("evidence.quote", format!("no quote of a TPM: {why}"))
}
