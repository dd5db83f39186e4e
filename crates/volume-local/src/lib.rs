//! Sealed volumes without a custodian: the key is handed over, the anchor is a file of this machine. And whole trees,
//! copied between a volume and the host. What programs and modules around the engine share.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod export;
mod failure;
mod import;
mod place;
mod progress;
mod rekey;

pub use export::{Exported, Lost, export};
pub use failure::Failure;
pub use import::{Imported, import};
pub use place::{AnchorFile, Made, Place};
pub use progress::Listener;
pub use rekey::{Files, Rekeyed, Sides, rekey};
