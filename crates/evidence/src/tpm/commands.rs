//! The few commands that are needed (TCG TPM 2.0 Library, part 3), each with its own words in and out.

use super::connection::{Command, Connection, Failure};
use super::wire::{Reader, Writer};
use crate::Error;

/// TPM_ALG_SHA256, TPM_ALG_NULL (part 2, "TPM_ALG_ID").
pub(super) const SHA256: u16 = 0x000B;
pub(super) const ALG_NULL: u16 = 0x0010;
/// TPM_RH_OWNER, TPM_RH_ENDORSEMENT (part 2, "TPM_RH").
const OWNER: u32 = 0x4000_0001;
const ENDORSEMENT: u32 = 0x4000_000B;
/// TPM_CAP_PCRS (part 2, "TPM_CAP").
const CAPABILITY_PCRS: u32 = 5;
/// Bytes of a bitmap of PCRs: 24 of them.
const SELECT_BYTES: u8 = 3;
/// Most banks that a TPM is believed to have (HASH_COUNT), and most bytes of what it keeps for us.
const MAX_BANKS: u32 = 16;
const MAX_NV_BYTES: u16 = 8192;
/// How much is read at once: every TPM gives as much (the least MAX_NV_BUFFER_SIZE of PC Client TPMs).
const NV_PIECE: u16 = 512;

const GET_CAPABILITY: Command = command("TPM2_GetCapability", 0x17A);
const PCR_READ: Command = command("TPM2_PCR_Read", 0x17E);
const PCR_EXTEND: Command = command("TPM2_PCR_Extend", 0x182);
const CREATE_PRIMARY: Command = Command {
    name: "TPM2_CreatePrimary",
    code: 0x131,
    handles_back: 1,
};
const READ_PUBLIC: Command = command("TPM2_ReadPublic", 0x173);
const QUOTE: Command = command("TPM2_Quote", 0x158);
const NV_READ_PUBLIC: Command = command("TPM2_NV_ReadPublic", 0x169);
const NV_READ: Command = command("TPM2_NV_Read", 0x14E);
const FLUSH_CONTEXT: Command = command("TPM2_FlushContext", 0x165);

const fn command(name: &'static str, code: u32) -> Command {
    Command {
        name,
        code,
        handles_back: 0,
    }
}

/// What a TPM says with its signature.
#[derive(Clone, Debug)]
pub(super) struct Quoted {
    /// TPMS_ATTEST.
    pub attest: Vec<u8>,
    /// TPMT_SIGNATURE.
    pub signature: Vec<u8>,
}

/// The PCRs from 0 to `count` - 1 of one bank, as TPML_PCR_SELECTION.
pub(super) fn selection(bank: u16, pcrs: impl Iterator<Item = u32>) -> Vec<u8> {
    let mut bits = [0u8; SELECT_BYTES as usize];
    for pcr in pcrs {
        bits[pcr as usize / 8] |= 1 << (pcr % 8);
    }
    Writer::default().u32(1).u16(bank).u8(SELECT_BYTES).bytes(&bits).0
}

impl Connection {
    /// The hash algorithms of the banks that have PCRs.
    pub fn banks(&mut self) -> Result<Vec<u16>, Error> {
        let parameters = Writer::default().u32(CAPABILITY_PCRS).u32(0).u32(MAX_BANKS).0;
        let answer = self.ask(GET_CAPABILITY, &[], false, &parameters)?;
        let mut reader = Reader(&answer.parameters);
        let _more = reader.u8()?;
        if reader.u32()? != CAPABILITY_PCRS {
            return Err(Error::Malformed("another capability of a TPM"));
        }
        let count = reader.u32()?;
        if count > MAX_BANKS {
            return Err(Error::Malformed("too many banks of PCRs"));
        }
        let mut banks = Vec::new();
        for _ in 0..count {
            let bank = reader.u16()?;
            let size = reader.u8()?;
            if reader.take(usize::from(size))?.iter().any(|bits| *bits != 0) {
                banks.push(bank);
            }
        }
        reader.end()?;
        Ok(banks)
    }

    /// The values of PCRs of the SHA-256 bank, at most eight.
    pub fn read_pcrs(&mut self, pcrs: std::ops::Range<u32>) -> Result<Vec<[u8; 32]>, Error> {
        let wanted = selection(SHA256, pcrs.clone());
        let answer = self.ask(PCR_READ, &[], false, &wanted)?;
        let mut reader = Reader(&answer.parameters);
        let _update_counter = reader.u32()?;
        if reader.take(wanted.len())? != wanted || reader.u32()? != pcrs.end - pcrs.start {
            return Err(Error::Malformed(
                "other PCRs than were asked for: is the SHA-256 bank active?",
            ));
        }
        let value = |_| {
            let value = reader.sized()?.try_into();
            value.map_err(|_| Error::Malformed("a PCR of another size"))
        };
        let values = pcrs.map(value).collect::<Result<_, _>>()?;
        reader.end()?;
        Ok(values)
    }

    /// Extends one PCR in several banks at once.
    pub fn extend(&mut self, pcr: u32, digests: &[(u16, Vec<u8>)]) -> Result<(), Error> {
        let count = u32::try_from(digests.len()).unwrap_or(u32::MAX);
        let list = digests
            .iter()
            .fold(Writer::default().u32(count), |list, (bank, digest)| {
                list.u16(*bank).bytes(digest)
            });
        self.ask(PCR_EXTEND, &[pcr], true, &list.0)?;
        Ok(())
    }

    /// Makes a primary key of the endorsement hierarchy by its template (TPMT_PUBLIC): its handle and TPM2B_PUBLIC's
    /// content. The same template gives the same key until somebody clears the TPM.
    pub fn create_primary(&mut self, template: &[u8]) -> Result<(u32, Vec<u8>), Error> {
        let nothing_sensitive = Writer::default().sized(&[]).sized(&[]).0;
        let parameters = Writer::default()
            .sized(&nothing_sensitive)
            .sized(template)
            .sized(&[])
            .u32(0)
            .0;
        let answer = self.ask(CREATE_PRIMARY, &[ENDORSEMENT], true, &parameters)?;
        let handle = answer.handles.first().copied();
        let handle = handle.ok_or(Error::Malformed("a key without a handle"))?;
        let public = Reader(&answer.parameters).sized().map(<[u8]>::to_vec);
        // The caller knows of no key to flush.
        public
            .map(|public| (handle, public))
            .inspect_err(|_| self.flush(handle))
    }

    /// TPM2B_PUBLIC's content of a key that is kept under a handle.
    pub fn read_public(&mut self, handle: u32) -> Result<Vec<u8>, Error> {
        let answer = self.ask(READ_PUBLIC, &[handle], false, &[])?;
        Reader(&answer.parameters).sized().map(<[u8]>::to_vec)
    }

    /// A quote over PCRs, by a key with a scheme of its own.
    pub fn quote(&mut self, key: u32, qualifying: &[u8], pcrs: &[u8]) -> Result<Quoted, Error> {
        let parameters = Writer::default().sized(qualifying).u16(ALG_NULL).bytes(pcrs).0;
        let answer = self.ask(QUOTE, &[key], true, &parameters)?;
        let mut reader = Reader(&answer.parameters);
        let attest = reader.sized()?.to_vec();
        let signature = reader.0.to_vec();
        Ok(Quoted { attest, signature })
    }

    /// What is kept at an NV index, `None` where there is none.
    pub fn nv(&mut self, index: u32) -> Result<Option<Vec<u8>>, Error> {
        let answer = match self.ask(NV_READ_PUBLIC, &[index], false, &[]) {
            Err(Failure::Refused(refusal)) if refusal.is_of_a_handle() => return Ok(None),
            answer => answer?,
        };
        // TPMS_NV_PUBLIC: index, hash, attributes, policy, size.
        let mut reader = Reader(Reader(&answer.parameters).sized()?);
        reader.take(10)?;
        reader.sized()?;
        let size = reader.u16()?;
        if size > MAX_NV_BYTES {
            return Err(Error::Malformed("too much at an NV index"));
        }
        // Read as the owner where that is allowed, else by the index's own empty password.
        let mut content = Vec::with_capacity(usize::from(size));
        for offset in (0..size).step_by(usize::from(NV_PIECE)) {
            let count = NV_PIECE.min(size - offset);
            let parameters = Writer::default().u16(count).u16(offset).0;
            let answer = match self.ask(NV_READ, &[OWNER, index], true, &parameters) {
                Err(Failure::Refused(_)) => self.ask(NV_READ, &[index, index], true, &parameters),
                answer => answer,
            };
            content.extend_from_slice(Reader(&answer?.parameters).sized()?);
        }
        Ok(Some(content))
    }

    /// Gives up a key that was made.
    pub fn flush(&mut self, handle: u32) {
        // One that stays takes a place until the next start of the TPM; there is nobody to tell.
        let _ = self.ask(FLUSH_CONTEXT, &[], false, &handle.to_be_bytes());
    }
}
