//! Layers of images.
//!
//! - [`unpack`]: an archive (OCI image specification, "Image Layer Filesystem Changeset") becomes an EROFS file system
//!   with overlayfs' marks for what it takes away from the layers below.
//! - [`sealed`]: a file system becomes a sealed layer (spec/image-format.md), and a sealed layer verified bytes again.
//! - [`blob`]: a sealed layer as container engines carry it.
//! - [`merged`]: the layers of an image become one tree, read as it is asked for.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

pub mod blob;
pub mod merged;
pub mod sealed;
pub mod unpack;
