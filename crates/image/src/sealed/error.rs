//! What is wrong with a layer.

use std::io;

/// Why a layer is not written, or not read.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The host.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// No sealed layer, or one of a version that this program does not know.
    #[error("this is no sealed layer of a version that this program knows")]
    Unknown,
    /// Of another length than its head says.
    #[error("the layer is {got} bytes long, and should be {expected}: it was cut or added to")]
    Length {
        /// Bytes that the head promises.
        expected: u64,
        /// Bytes that there are.
        got: u64,
    },
    /// It is encrypted and should not be, or the other way round.
    #[error("the layer is protected in another way than the manifest says")]
    Protection,
    /// A piece that is not what the root binds.
    #[error("piece {piece} of the layer is not what its root binds: the bytes, the key or the root are others")]
    Tampered {
        /// Which.
        piece: u64,
    },
    /// What a layer is made from changed between the time it was hashed and the time it was to be sealed.
    #[error("what the layer is made from changed meanwhile: piece {piece} is not the one that was hashed")]
    Changed {
        /// Which.
        piece: u64,
    },
    /// A file system that is empty, larger than 16 TiB, or not whole blocks.
    #[error("a layer holds 1 to 2^32 blocks of 4,096 bytes")]
    Size,
    /// The library of ciphers refused its work.
    #[error("the cipher failed")]
    Cipher,
}
