//! Event logs of the TCG: what firmware and boot loaders extended into registers, record by record, little-endian.
//!
//! Sources: TCG PC Client Platform Firmware Profile 1.06, section 10 (records, "Spec ID" event, startup locality); of logs
//! for TPM 1.2, whose records have one SHA-1 digest each: TCG EFI Platform Specification 1.22, section 7. A CCEL of TDX
//! (UEFI 2.11, section 38.4.1) has the same records; its register 0 is MRTD, 1 to 4 are RTMR0 to RTMR3.
//!
//! Nobody signs a log: it is believed as far as it replays to registers that somebody signed.

use std::collections::BTreeMap;

use aws_lc_rs::digest;

use crate::Error;

/// With what fills it up: firmware keeps areas of 64 to 256 KiB.
const MAX_LOG_BYTES: usize = 512 * 1024;
/// Real ones have 2 to 75 KB.
const MAX_RECORDS_BYTES: usize = 128 * 1024;
/// Real ones have about a hundred. Whoever sends evidence chooses them, and each costs a hash in each bank.
const MAX_RECORDS: usize = 4096;
const MAX_BANKS: usize = 8;

/// The kind of records that are not extended.
const NO_ACTION: u32 = 3;
const REGISTERS: u32 = 24;
const MAX_LOCALITY: u8 = 4;
const LOCALITY: &[u8] = b"StartupLocality\0";
const CRYPTO_AGILE: &[u8] = b"Spec ID Event03\0";
const SHA1_ONLY: [&[u8]; 2] = [b"Spec ID Event00\0", b"Spec ID Event02\0"];
/// Where the number of banks stands in a first record (TCG_EfiSpecIdEvent), and where the banks begin.
const BANKS: std::ops::Range<usize> = 24..28;

const EXIT_REGISTER: u32 = 5;
const INVOKED: &[u8] = b"Exit Boot Services Invocation";
const FAILED: &[u8] = b"Exit Boot Services Returned with Failure";
const SUCCEEDED: &[u8] = b"Exit Boot Services Returned with Success";
const EXITS: [&[&[u8]]; 3] = [&[INVOKED, SUCCEEDED], &[INVOKED, FAILED], &[INVOKED, FAILED, SUCCEEDED]];

/// Hashes of banks that can be replayed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Algorithm {
    Sha1,
    Sha256,
    Sha384,
    Sha512,
}

impl Algorithm {
    pub const ALL: [Self; 4] = [Self::Sha1, Self::Sha256, Self::Sha384, Self::Sha512];

    /// In the TCG Algorithm Registry.
    pub fn number(self) -> u16 {
        match self {
            Self::Sha1 => 0x04,
            Self::Sha256 => 0x0b,
            Self::Sha384 => 0x0c,
            Self::Sha512 => 0x0d,
        }
    }

    /// As the specification of evidence calls it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sha1 => "sha1",
            Self::Sha256 => "sha256",
            Self::Sha384 => "sha384",
            Self::Sha512 => "sha512",
        }
    }

    /// Bytes of a digest.
    pub fn size(self) -> usize {
        self.hash().output_len()
    }

    /// Of all of `parts`, one behind the other.
    pub fn digest(self, parts: &[&[u8]]) -> Vec<u8> {
        let mut context = digest::Context::new(self.hash());
        parts.iter().for_each(|part| context.update(part));
        context.finish().as_ref().to_vec()
    }

    fn hash(self) -> &'static digest::Algorithm {
        match self {
            Self::Sha1 => &digest::SHA1_FOR_LEGACY_USE_ONLY,
            Self::Sha256 => &digest::SHA256,
            Self::Sha384 => &digest::SHA384,
            Self::Sha512 => &digest::SHA512,
        }
    }
}

/// The hash of a bank by its number, and how long its digests are. Those that cannot be replayed are read as well.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Bank {
    number: u16,
    size: usize,
}

/// One record. Of each bank that it has a digest of, the digest.
#[derive(Debug)]
struct Event<'a> {
    register: u32,
    kind: u32,
    digests: Vec<(u16, &'a [u8])>,
    data: &'a [u8],
}

/// A log, of which every record is understood.
#[derive(Debug)]
pub struct EventLog<'a> {
    banks: Vec<Bank>,
    events: Vec<Event<'a>>,
    /// From which the TPM was started up, 0 where nothing says so.
    locality: u8,
}

impl<'a> EventLog<'a> {
    /// # Errors
    /// `evidence.log` for what is none, or too large.
    pub fn parse(data: &'a [u8]) -> Result<Self, Error> {
        if data.len() > MAX_LOG_BYTES {
            return Err(too_large(MAX_LOG_BYTES, "bytes", data.len()));
        }
        let size = without_padding(data);
        if size > MAX_RECORDS_BYTES {
            return Err(too_large(MAX_RECORDS_BYTES, "bytes of records", size));
        }
        let mut reader = Reader { data, at: 0 };
        let first = reader.short_event()?;
        let listed = banks_of(&first)?;
        let mut events = vec![first];
        // What is behind the last record is the area that firmware keeps for its log.
        while reader.at < size {
            events.push(match &listed {
                Some(banks) => reader.event(banks)?,
                None => reader.short_event()?,
            });
            if events.len() > MAX_RECORDS {
                return Err(too_large(MAX_RECORDS, "records", events.len()));
            }
        }
        let locality = locality_of(&events)?;
        let sha1 = Bank {
            number: Algorithm::Sha1.number(),
            size: Algorithm::Sha1.size(),
        };
        Ok(Self {
            banks: listed.unwrap_or_else(|| vec![sha1]),
            events,
            locality,
        })
    }

    /// Banks that it has and that can be replayed.
    pub fn replayable(&self) -> impl Iterator<Item = Algorithm> {
        let listed = |bank: &Algorithm| self.banks.iter().any(|listed| listed.number == bank.number());
        Algorithm::ALL.into_iter().filter(listed)
    }
}

/// Registers of a bank after all that was extended, those only that a record is about.
///
/// # Errors
/// `evidence.log` where the log has not all digests of that bank.
pub fn replay(log: &EventLog<'_>, bank: Algorithm) -> Result<BTreeMap<u32, Vec<u8>>, Error> {
    if !log.replayable().any(|listed| listed == bank) {
        return Err(malformed(&format!("it has no {} digests", bank.name())));
    }
    let mut registers = BTreeMap::new();
    for (place, event) in log.events.iter().enumerate() {
        if event.kind == NO_ACTION {
            continue;
        }
        let digest = event
            .digest(bank)
            .ok_or_else(|| malformed(&format!("record {place} has no {} digest", bank.name())))?;
        let register = registers
            .entry(event.register)
            .or_insert_with(|| at_startup(event.register, log.locality, bank));
        *register = bank.digest(&[register.as_slice(), digest]);
    }
    Ok(registers)
}

/// What a register may hold that a log leads to as `replayed`, since firmware closed the log too early.
///
/// That is known of PCR 5 only: when boot services end, two or three fixed texts are extended into it (section 8.2.4), and
/// some firmware no longer logs them.
pub fn after_the_log(register: u32, bank: Algorithm, replayed: &[u8]) -> Vec<Vec<u8>> {
    if register != EXIT_REGISTER {
        return Vec::new();
    }
    let extended = |texts: &&[&[u8]]| {
        texts.iter().fold(replayed.to_vec(), |value, text| {
            bank.digest(&[&value, &bank.digest(&[text])])
        })
    };
    EXITS.iter().map(extended).collect()
}

/// Zeros; PCR 0 ends with the locality of TPM2_Startup, or with 4 after an H-CRTM sequence (section 10.4.5.3).
fn at_startup(register: u32, locality: u8, bank: Algorithm) -> Vec<u8> {
    let mut value = vec![0; bank.size()];
    if let (0, Some(last)) = (register, value.last_mut()) {
        *last = locality;
    }
    value
}

impl Event<'_> {
    fn digest(&self, bank: Algorithm) -> Option<&[u8]> {
        let mut all = self.digests.iter();
        all.find(|(number, _)| *number == bank.number())
            .map(|(_, digest)| *digest)
    }
}

/// How many bytes there are before what fills a log up: zeros, or ones.
fn without_padding(data: &[u8]) -> usize {
    match data.last() {
        Some(&filling @ (0 | 0xff)) => {
            let last = data.iter().rposition(|byte| *byte != filling);
            last.map_or(0, |place| place + 1)
        }
        _ => data.len(),
    }
}

/// Looks at every record once: where it may be extended to, and what it says of the startup.
fn locality_of(events: &[Event<'_>]) -> Result<u8, Error> {
    let mut found = None;
    for (place, event) in events.iter().enumerate() {
        if event.kind != NO_ACTION {
            if event.register >= REGISTERS {
                let reason = format!("record {place} is about register {:#x}", event.register);
                return Err(malformed(&reason));
            }
            continue;
        }
        let Some(said) = event.data.strip_prefix(LOCALITY) else {
            continue;
        };
        match said {
            [locality @ 0..=MAX_LOCALITY] if found.is_none() => found = Some(*locality),
            _ => {
                let reason = format!("record {place} says a startup locality that cannot be, or says it again");
                return Err(malformed(&reason));
            }
        }
    }
    Ok(found.unwrap_or(0))
}

/// What the first record says that follows: digests of these banks, or None for SHA-1 alone.
fn banks_of(first: &Event<'_>) -> Result<Option<Vec<Bank>>, Error> {
    if first.kind != NO_ACTION || SHA1_ONLY.iter().any(|said| first.data.starts_with(said)) {
        return Ok(None);
    }
    if !first.data.starts_with(CRYPTO_AGILE) {
        return Err(malformed(
            "its first record does not say which specification it follows",
        ));
    }
    let other = || malformed("its first record is none of this specification");
    let count = first.data.get(BANKS).map(number).ok_or_else(other)?;
    let count = usize::try_from(count)
        .ok()
        .filter(|count| (1..=MAX_BANKS).contains(count));
    let rest = first.data.get(BANKS.end..).unwrap_or_default();
    let (listed, vendor) = count
        .and_then(|count| rest.split_at_checked(4 * count))
        .ok_or_else(other)?;
    // The vendor's part, behind its length, is all that there may be left.
    if vendor
        .split_first()
        .is_none_or(|(length, part)| usize::from(*length) != part.len())
    {
        return Err(other());
    }
    let mut banks: Vec<Bank> = Vec::new();
    for pair in listed.chunks_exact(4) {
        let bank = Bank::read(pair)?;
        if banks.iter().any(|known| known.number == bank.number) {
            return Err(malformed("its first record lists an algorithm twice"));
        }
        banks.push(bank);
    }
    Ok(Some(banks))
}

impl Bank {
    /// TCG_EfiSpecIdEventAlgorithmSize.
    fn read(pair: &[u8]) -> Result<Self, Error> {
        let (algorithm, size) = pair.split_at(pair.len() / 2);
        let bank = Self {
            number: short(algorithm),
            size: usize::from(short(size)),
        };
        let known = Algorithm::ALL.into_iter().find(|known| known.number() == bank.number);
        match known.filter(|known| known.size() != bank.size) {
            None => Ok(bank),
            Some(known) => {
                let reason = format!("its first record gives {} {} bytes", known.name(), bank.size);
                Err(malformed(&reason))
            }
        }
    }
}

/// Goes through a log once.
struct Reader<'a> {
    data: &'a [u8],
    at: usize,
}

impl<'a> Reader<'a> {
    /// TCG_PCR_EVENT2.
    fn event(&mut self, banks: &[Bank]) -> Result<Event<'a>, Error> {
        let (register, kind) = (self.number()?, self.number()?);
        let mut digests: Vec<(u16, &[u8])> = Vec::new();
        for _ in 0..self.number()? {
            let algorithm = short(self.take(2)?);
            let bank = banks.iter().find(|bank| bank.number == algorithm);
            let new = bank.filter(|_| digests.iter().all(|(number, _)| *number != algorithm));
            let bank = new.ok_or_else(|| {
                malformed("a digest that comes twice, or of an algorithm that its first record does not have")
            })?;
            digests.push((algorithm, self.take(bank.size)?));
        }
        let data = self.sized()?;
        Ok(Event {
            register,
            kind,
            digests,
            data,
        })
    }

    /// TCG_PCR_EVENT.
    fn short_event(&mut self) -> Result<Event<'a>, Error> {
        let (register, kind) = (self.number()?, self.number()?);
        let digest = self.take(Algorithm::Sha1.size())?;
        let data = self.sized()?;
        Ok(Event {
            register,
            kind,
            digests: vec![(Algorithm::Sha1.number(), digest)],
            data,
        })
    }

    fn sized(&mut self) -> Result<&'a [u8], Error> {
        let length = self.number()?;
        self.take(usize::try_from(length).map_err(|_| cut_off())?)
    }

    fn number(&mut self) -> Result<u32, Error> {
        self.take(4).map(number)
    }

    fn take(&mut self, length: usize) -> Result<&'a [u8], Error> {
        let end = self.at.checked_add(length).ok_or_else(cut_off)?;
        let found = self.data.get(self.at..end).ok_or_else(cut_off)?;
        self.at = end;
        Ok(found)
    }
}

fn number(bytes: &[u8]) -> u32 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u32::from(*byte))
}

fn short(bytes: &[u8]) -> u16 {
    bytes.iter().rev().fold(0, |sum, byte| sum << 8 | u16::from(*byte))
}

fn cut_off() -> Error {
    malformed("cut off")
}

fn too_large(limit: usize, of: &str, got: usize) -> Error {
    Error::new("evidence.log", "the event log is too large")
        .expected(format!("at most {limit} {of}"))
        .got(got.to_string())
}

fn malformed(why: &str) -> Error {
    Error::new("evidence.log", format!("no event log: {why}"))
}

#[cfg(test)]
mod tests;
