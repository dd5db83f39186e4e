//! Directories as blocks of entries (struct erofs_dirent): numbers first, names behind them, sorted by bytes.

use crate::BLOCK;

/// Bytes of an entry without its name.
const ENTRY: usize = 12;

/// An entry: name, number of the inode, kind.
pub type Entry<'e> = (&'e [u8], u64, u8);

/// Which entries share a block: how many in each, and the bytes that the last one takes.
fn blocks<'e>(names: impl Iterator<Item = &'e [u8]>) -> (Vec<usize>, usize) {
    let (mut blocks, mut used) = (Vec::new(), BLOCK);
    for name in names {
        let needed = ENTRY + name.len();
        if used + needed > BLOCK {
            blocks.push(0);
            used = 0;
        }
        used += needed;
        if let Some(last) = blocks.last_mut() {
            *last += 1;
        }
    }
    (blocks, used)
}

/// Bytes of a directory with these names.
pub fn size<'e>(names: impl Iterator<Item = &'e [u8]>) -> usize {
    let (blocks, used) = blocks(names);
    blocks.len().saturating_sub(1) * BLOCK + used
}

/// The bytes of a directory; entries come sorted.
pub fn encode(entries: &[Entry<'_>]) -> Vec<u8> {
    let (blocks, _) = blocks(entries.iter().map(|(name, ..)| *name));
    let mut bytes = Vec::new();
    let mut rest = entries;
    for count in blocks {
        let (block, behind) = rest.split_at(count);
        bytes.resize(bytes.len().next_multiple_of(BLOCK), 0);
        encode_block(block, &mut bytes);
        rest = behind;
    }
    bytes
}

fn encode_block(entries: &[Entry<'_>], bytes: &mut Vec<u8>) {
    let mut name_at = entries.len() * ENTRY;
    for (name, inode, kind) in entries {
        bytes.extend(inode.to_le_bytes());
        bytes.extend(u16::try_from(name_at).unwrap_or(0).to_le_bytes());
        bytes.extend([*kind, 0]);
        name_at += name.len();
    }
    entries.iter().for_each(|(name, ..)| bytes.extend(*name));
}
