//! Sealed volumes and images: FUSE mounts that the supervisor will serve, and that this side knows nothing more of.

use std::os::fd::{AsFd, AsRawFd, OwnedFd};

use casemate_sys::AttachedFlags;
use rustix::fs::{CWD, FileType, Mode, OFlags, fstat, major, minor, openat};
use rustix::io::Errno;
use rustix::mount::{FsMountFlags, FsOpenFlags, MountAttrFlags};
use rustix::mount::{fsconfig_create, fsconfig_set_flag, fsconfig_set_string, fsmount, fsopen};

use super::restrict;
use crate::failure::{Exit, Failure};

const DEVICE: &str = "/dev/fuse";
/// Devices of file systems, by number (Linux Documentation/ABI/testing/sysfs-class-bdi).
const DEVICES: &str = "/sys/class/bdi";
/// KiB that the kernel reads ahead of a program that reads in a row, several requests for several threads; and around
/// each page that a mapped program lacks, which is why it is not more.
const READ_AHEAD: u32 = 512;
/// Major and minor number (Linux Documentation/admin-guide/devices.txt).
const NUMBERS: (u32, u32) = (10, 229);

/// A mount and the other end of it.
#[derive(Debug)]
pub struct End {
    /// The mount, attached nowhere yet. Whoever looks into it waits until the device is served.
    pub mount: OwnedFd,
    /// Where the kernel's requests come from.
    pub device: OwnedFd,
}

/// For a volume.
pub fn volume() -> Result<End, Failure> {
    let flags = AttachedFlags {
        no_set_id: true,
        no_devices: true,
        ..AttachedFlags::default()
    };
    end(&[], flags)
}

/// For the layers of an image.
pub fn image() -> Result<End, Failure> {
    let flags = AttachedFlags {
        read_only: true,
        no_set_id: true,
        no_devices: true,
        ..AttachedFlags::default()
    };
    // The file system itself as well: of one that could change, the kernel asks for attributes after each read.
    end(&["ro"], flags)
}

fn end(options: &[&str], flags: AttachedFlags) -> Result<End, Failure> {
    let device = open()?;
    let mount = mount(&device, options).map_err(refused("the kernel mounts no FUSE file system"))?;
    restrict(&mount, flags)?;
    Ok(End { mount, device })
}

/// Where the kernel is told how far to read ahead, which is seen no longer once the host's root is gone. Nothing rests
/// on it.
#[derive(Debug)]
pub struct ReadAhead(Option<OwnedFd>);

impl ReadAhead {
    /// Looks for it.
    pub fn find() -> Self {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        Self(openat(CWD, DEVICES, flags, Mode::empty()).ok())
    }

    /// Has the kernel read ahead in large steps on this device, where it lets us: only root may.
    pub fn further(self, device: u64) {
        let Some(devices) = self.0 else { return };
        let setting = format!("{}:{}/read_ahead_kb", major(device), minor(device));
        if let Ok(setting) = openat(devices, setting, OFlags::WRONLY | OFlags::CLOEXEC, Mode::empty()) {
            let _ = rustix::io::write(setting, READ_AHEAD.to_string().as_bytes());
        }
    }
}

fn open() -> Result<OwnedFd, Failure> {
    let flags = OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let device = openat(CWD, DEVICE, flags, Mode::empty()).map_err(refused("/dev/fuse cannot be opened"))?;
    let status = fstat(&device).map_err(refused(DEVICE))?;
    let is_device = FileType::from_raw_mode(status.st_mode) == FileType::CharacterDevice;
    if is_device && (major(status.st_rdev), minor(status.st_rdev)) == NUMBERS {
        return Ok(device);
    }
    Err(Failure::new(Exit::Volume, "the host's /dev/fuse is not that device"))
}

/// The kernel checks permissions; every user of the workload's namespace may come in.
fn mount(device: &OwnedFd, options: &[&str]) -> Result<OwnedFd, Errno> {
    let context = fsopen("fuse", FsOpenFlags::FSOPEN_CLOEXEC)?;
    let context = context.as_fd();
    fsconfig_set_string(context, "source", "casemate")?;
    fsconfig_set_string(context, "fd", device.as_raw_fd().to_string())?;
    for (name, value) in [("rootmode", "40000"), ("user_id", "0"), ("group_id", "0")] {
        fsconfig_set_string(context, name, value)?;
    }
    for flag in ["default_permissions", "allow_other"].iter().chain(options) {
        fsconfig_set_flag(context, *flag)?;
    }
    fsconfig_create(context)?;
    fsmount(
        context,
        FsMountFlags::FSMOUNT_CLOEXEC,
        MountAttrFlags::MOUNT_ATTR_NOATIME,
    )
}

fn refused<E: std::fmt::Display>(tried: &str) -> impl FnOnce(E) -> Failure {
    Failure::because(Exit::Volume, tried)
}

#[cfg(test)]
mod tests {
    use std::fs::read_to_string;

    use casemate_sys::{UnshareFlags, unshare};
    use rustix::mount::{MountPropagationFlags, mount_change};

    use super::*;
    use crate::root::attach;

    /// What the kernel says of the file system itself, not of where it is mounted.
    fn options(end: &End) -> String {
        let mounts = std::thread::scope(|scope| scope.spawn(|| mounted(end)).join().unwrap());
        let line = mounts.lines().find(|line| line.contains(" /mnt ")).unwrap();
        line.rsplit_once(" casemate ").unwrap().1.to_owned()
    }

    /// All mounts, this one among them, in a namespace that ends with the thread.
    fn mounted(end: &End) -> String {
        unshare(UnshareFlags::NEWNS).unwrap();
        mount_change("/", MountPropagationFlags::PRIVATE | MountPropagationFlags::REC).unwrap();
        attach(&end.mount, "/mnt").unwrap();
        read_to_string("/proc/thread-self/mountinfo").unwrap()
    }

    #[test]
    fn an_images_file_system_never_changes_and_a_volumes_does() {
        if !rustix::process::geteuid().is_root() || open().is_err() {
            eprintln!("skipped: needs root and FUSE");
            return;
        }
        assert!(options(&image().unwrap()).starts_with("ro,"));
        assert!(options(&volume().unwrap()).starts_with("rw,"));
    }
}
