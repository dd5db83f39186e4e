//! What a process that holds a volume's key does first.

use rustix::mm::{MlockAllFlags, mlockall};
use rustix::process::{DumpableBehavior, Resource, Rlimit, set_dumpable_behavior, setrlimit};

use crate::report::Failure;

/// No core dumps, and no other process of the same user may look in. Memory stays out of swap where that is allowed.
pub fn hide() -> Result<(), Failure> {
    let none = Rlimit {
        current: Some(0),
        maximum: Some(0),
    };
    let hidden = set_dumpable_behavior(DumpableBehavior::NotDumpable).and_then(|()| setrlimit(Resource::Core, none));
    hidden.map_err(|error| Failure::host("keep others out of this process", &error.into()))?;
    // Page by page as it is used. Without the privilege the limit is small, and running into it would end the process.
    if rustix::process::geteuid().is_root() {
        let _ = mlockall(MlockAllFlags::CURRENT | MlockAllFlags::FUTURE | MlockAllFlags::ONFAULT);
    }
    Ok(())
}
