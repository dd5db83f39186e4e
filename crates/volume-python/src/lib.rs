//! Sealed volumes for Python: `casemate.volume` is the face of this module, and the only one that should use it.
//!
//! Paths and names are bytes, times nanoseconds since 1970, files inode numbers that [`Volume::open`] gave. Every call
//! that reads, writes or seals lets other threads of Python go on. What a file system refuses is an `OSError`; what a
//! volume refuses is made by `casemate.volume.refusals`.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod content;
mod paths;
mod place;
mod progress;
mod session;
mod trouble;
mod tuples;
mod volume;

use pyo3::pymodule;

/// What Python imports.
#[pymodule]
mod casemate_native {
    #[pymodule_export]
    use super::volume::Volume;
}
