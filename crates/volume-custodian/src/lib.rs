//! Sealed volumes whose key and newest state are at a custodian: lent with a lease, opened, made where there never was
//! one. For the shield and for people's mounts alike.
#![forbid(unsafe_code)]
#![deny(missing_docs)]

mod anchor;
mod opening;

pub use anchor::{CustodianAnchor, Held};
pub use opening::{Lent, Owner};
