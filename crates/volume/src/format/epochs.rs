//! The table of epochs: what makes the key of each writer whose blocks are still there.

use super::bytes::{Put, Reader, check};
use super::{BLOCK, Malformed};

/// Most epochs: a table of 1 MiB. Each read-write mount adds one.
pub const EPOCHS: usize = 26_000;

/// One writer's epoch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Epoch {
    pub fence: u64,
    pub salt: [u8; 32],
}

/// The table in the blocks that it fills.
pub fn decode(bytes: &[u8]) -> Result<Vec<Epoch>, Malformed> {
    let mut reader = Reader(bytes);
    let count = reader.u32()? as usize;
    check(reader.u32()? == 0, "a reserved byte is set")?;
    check(count <= EPOCHS, "there are too many epochs")?;
    let mut epochs: Vec<Epoch> = Vec::with_capacity(count);
    for _ in 0..count {
        let epoch = Epoch {
            fence: reader.u64()?,
            salt: reader.array()?,
        };
        check(
            epochs.last().is_none_or(|last| last.fence < epoch.fence),
            "epochs are not in order",
        )?;
        epochs.push(epoch);
    }
    reader.zeros()?;
    Ok(epochs)
}

/// Whole blocks that hold the table.
pub fn encode(epochs: &[Epoch]) -> Vec<u8> {
    let mut out = Vec::with_capacity(8 + 40 * epochs.len());
    out.put_u32(super::bytes::short(epochs.len())).put_u32(0);
    for epoch in epochs {
        out.put_u64(epoch.fence).put(&epoch.salt);
    }
    out.resize(out.len().next_multiple_of(BLOCK), 0);
    out
}
