//! Sealed layers: one immutable file system each, bound by one hash, encrypted or not (spec/image-format.md).
//!
//! The file system is cut into pieces of 16 KiB. A tree of hashes over the pieces' plaintext ends in the layer's root,
//! which a manifest names: one root, one content, whoever has keys. The pieces, those of the tree too, are sealed under
//! a key that follows from the image's key and the root: the same file system under the same image key gives the same
//! bytes, and no other plaintext is ever sealed under that key, so that a piece's number may be its nonce.

mod error;
mod format;
mod growing;
mod hashing;
mod keys;
mod plain;
mod read;
mod tree;
mod write;

pub use error::Error;
pub use format::{PIECE, Protection};
pub use growing::{Growing, Hashed};
pub use keys::ImageKey;
pub use read::Layer;
pub use tree::Root;
pub use write::seal;
