//! The class that Python sees.

use std::path::PathBuf;

use casemate_volume::Changes;
use casemate_volume_local::{export, import};
use pyo3::exceptions::PyOverflowError;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::content::{self, Data};
use crate::paths::{self, Opening};
use crate::place::{freshness, place, roots};
use crate::progress::told;
use crate::session::Session;
use crate::trouble::Trouble;
use crate::tuples::{self, Snapshot, Stat};

/// A volume that is open in this process.
#[pyclass(frozen)]
pub struct Volume {
    session: Session,
}

impl Volume {
    /// Does something while other threads of Python go on; errors are about `about`.
    fn on<T: Send>(
        &self,
        py: Python<'_>,
        about: &[&[u8]],
        action: impl FnOnce(&Session) -> Result<T, Trouble> + Send,
    ) -> PyResult<T> {
        py.detach(|| action(&self.session))
            .map_err(|trouble| trouble.at(py, about))
    }
}

#[pymethods]
impl Volume {
    /// Makes a volume; without a capacity, with what the host has free. Its identity, and the capacity in bytes.
    #[staticmethod]
    #[pyo3(signature = (folder, key, anchor, durability, *, root, capacity))]
    fn create(
        py: Python<'_>,
        folder: PathBuf,
        key: &str,
        anchor: PathBuf,
        durability: &str,
        root: &str,
        capacity: Option<u64>,
    ) -> PyResult<(Vec<u8>, u64)> {
        let (place, roots) = (place(folder, key, anchor, durability)?, roots(root)?);
        let made = py.detach(|| place.create(roots, capacity, None));
        let made = made.map_err(|failure| Trouble::from(failure).raise(py))?;
        Ok((made.volume.to_vec(), made.form.capacity))
    }

    /// Opens for writing.
    #[staticmethod]
    fn open_writing(
        py: Python<'_>,
        folder: PathBuf,
        key: &str,
        anchor: PathBuf,
        durability: &str,
        fresh: &str,
    ) -> PyResult<Self> {
        let (place, freshness) = (place(folder, key, anchor, durability)?, freshness(fresh)?);
        let session = py.detach(|| Session::write(place, freshness));
        session
            .map(|session| Self { session })
            .map_err(|trouble| trouble.raise(py))
    }

    /// Opens what the anchor says, or a snapshot of it, for reading.
    #[staticmethod]
    fn open_reading(
        py: Python<'_>,
        folder: PathBuf,
        key: &str,
        anchor: PathBuf,
        durability: &str,
        fresh: &str,
        snapshot: Option<&[u8]>,
    ) -> PyResult<Self> {
        let (place, freshness) = (place(folder, key, anchor, durability)?, freshness(fresh)?);
        let session = py.detach(|| Session::read(place, freshness, snapshot.map(<[u8]>::to_vec)));
        session
            .map(|session| Self { session })
            .map_err(|trouble| trouble.at(py, snapshot.as_slice()))
    }

    fn close(&self, py: Python<'_>) -> PyResult<()> {
        self.on(py, &[], Session::close)
    }

    fn is_closed(&self, py: Python<'_>) -> bool {
        py.detach(|| self.session.is_closed())
    }

    fn refresh(&self, py: Python<'_>) -> PyResult<bool> {
        self.on(py, &[], Session::refresh)
    }

    fn sync(&self, py: Python<'_>) -> PyResult<()> {
        self.on(py, &[], |session| Ok(session.volume()?.sync()?))
    }

    /// Reads and verifies everything.
    fn verify(&self, py: Python<'_>, progress: Option<Py<PyAny>>) -> PyResult<()> {
        told(py, progress, |listener| self.session.verify(listener))
    }

    fn identity(&self, py: Python<'_>) -> PyResult<Vec<u8>> {
        let identity = |session: &Session| session.with(|volume| Ok(volume.identity()));
        Ok(self.on(py, &[], identity)?.to_vec())
    }

    fn status(&self, py: Python<'_>) -> PyResult<(&'static str, u64, u64, u64, u64)> {
        let status = |session: &Session| session.with(|volume| Ok(tuples::status(volume.roots(), &volume.status())));
        self.on(py, &[], status)
    }

    fn statistics(&self, py: Python<'_>) -> PyResult<(u64, u64, u64, u64, usize)> {
        let statistics = |session: &Session| session.with(|volume| Ok(tuples::statistics(&volume.statistics())));
        self.on(py, &[], statistics)
    }

    /// Keeps the volume as it is now under a name.
    fn create_snapshot(&self, py: Python<'_>, name: &[u8]) -> PyResult<Snapshot> {
        let create = |session: &Session| session.with(|volume| Ok(volume.create_snapshot(name)?));
        Ok(tuples::snapshot(&self.on(py, &[name], create)?))
    }

    /// All snapshots, the oldest first.
    fn snapshots(&self, py: Python<'_>) -> PyResult<Vec<Snapshot>> {
        let list = |session: &Session| session.with(|volume| Ok(volume.snapshots()?));
        Ok(self.on(py, &[], list)?.iter().map(tuples::snapshot).collect())
    }

    fn delete_snapshot(&self, py: Python<'_>, name: &[u8]) -> PyResult<()> {
        let delete = |session: &Session| session.with(|volume| Ok(volume.delete_snapshot(name)?));
        self.on(py, &[name], delete)
    }

    fn stat(&self, py: Python<'_>, path: &[u8], follow: bool) -> PyResult<Stat> {
        let found = |session: &Session| session.with(|volume| paths::attributes(volume, path, follow));
        Ok(tuples::stat(&self.on(py, &[path], found)?))
    }

    fn scan(&self, py: Python<'_>, path: &[u8]) -> PyResult<Vec<(Py<PyBytes>, u64, u32)>> {
        let list = |session: &Session| session.with(|volume| paths::list(volume, path));
        let entries = self.on(py, &[path], list)?.into_iter();
        Ok(entries
            .map(|entry| (PyBytes::new(py, &entry.name).unbind(), entry.inode, entry.kind))
            .collect())
    }

    fn mkdir(&self, py: Python<'_>, path: &[u8], mode: u32) -> PyResult<()> {
        let mkdir = |session: &Session| session.with(|volume| paths::mkdir(volume, path, mode));
        self.on(py, &[path], mkdir)
    }

    fn symlink(&self, py: Python<'_>, target: &[u8], path: &[u8]) -> PyResult<()> {
        let symlink = |session: &Session| session.with(|volume| paths::symlink(volume, target, path));
        self.on(py, &[target, path], symlink)
    }

    fn readlink<'py>(&self, py: Python<'py>, path: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let readlink = |session: &Session| {
            session.with(|volume| {
                let inode = paths::attributes(volume, path, false)?.inode;
                Ok(volume.readlink(inode)?)
            })
        };
        Ok(PyBytes::new(py, &self.on(py, &[path], readlink)?))
    }

    fn link(&self, py: Python<'_>, source: &[u8], target: &[u8]) -> PyResult<()> {
        let link = |session: &Session| session.with(|volume| paths::link(volume, source, target));
        self.on(py, &[source, target], link)
    }

    fn unlink(&self, py: Python<'_>, path: &[u8]) -> PyResult<()> {
        let unlink = |session: &Session| session.with(|volume| paths::unlink(session, volume, path));
        self.on(py, &[path], unlink)
    }

    fn rmdir(&self, py: Python<'_>, path: &[u8]) -> PyResult<()> {
        let rmdir = |session: &Session| session.with(|volume| paths::rmdir(session, volume, path));
        self.on(py, &[path], rmdir)
    }

    fn rename(&self, py: Python<'_>, source: &[u8], target: &[u8]) -> PyResult<()> {
        let rename = |session: &Session| session.with(|volume| paths::rename(session, volume, source, target));
        self.on(py, &[source, target], rename)
    }

    /// Sets what is given: permissions, owner, group, times of access and of content.
    #[pyo3(signature = (path, *, follow, mode=None, uid=None, gid=None, accessed=None, modified=None))]
    #[allow(clippy::too_many_arguments)] // they are names in Python
    fn set_attributes(
        &self,
        py: Python<'_>,
        path: &[u8],
        follow: bool,
        mode: Option<u32>,
        uid: Option<u32>,
        gid: Option<u32>,
        accessed: Option<i128>,
        modified: Option<i128>,
    ) -> PyResult<()> {
        let time = |given: Option<i128>| {
            let found = given.map(|given| tuples::time(given).ok_or_else(|| PyOverflowError::new_err("no such time")));
            found.transpose()
        };
        let changes = Changes {
            mode,
            uid,
            gid,
            accessed: time(accessed)?,
            modified: time(modified)?,
            changed: None,
        };
        let set = |session: &Session| {
            session.with(|volume| {
                let inode = paths::attributes(volume, path, follow)?.inode;
                volume.set_attributes(inode, &changes)?;
                Ok(())
            })
        };
        self.on(py, &[path], set)
    }

    /// The value of an extended attribute.
    fn attribute<'py>(&self, py: Python<'py>, path: &[u8], follow: bool, name: &[u8]) -> PyResult<Bound<'py, PyBytes>> {
        let value = |session: &Session| {
            session.with(|volume| {
                let inode = paths::attributes(volume, path, follow)?.inode;
                Ok(volume.attribute(inode, name)?)
            })
        };
        Ok(PyBytes::new(py, &self.on(py, &[path], value)?))
    }

    /// Names of extended attributes.
    fn attribute_names(&self, py: Python<'_>, path: &[u8], follow: bool) -> PyResult<Vec<Py<PyBytes>>> {
        let names = |session: &Session| {
            session.with(|volume| {
                let inode = paths::attributes(volume, path, follow)?.inode;
                Ok(volume.attribute_names(inode)?)
            })
        };
        let names = self.on(py, &[path], names)?.into_iter();
        Ok(names.map(|name| PyBytes::new(py, &name).unbind()).collect())
    }

    /// Sets an extended attribute: one that must be there, must not, or either.
    fn set_attribute(
        &self,
        py: Python<'_>,
        path: &[u8],
        follow: bool,
        name: &[u8],
        value: Data<'_>,
        exists: Option<bool>,
    ) -> PyResult<()> {
        let value = value.as_bytes();
        let set = |session: &Session| {
            session.with(|volume| {
                let inode = paths::attributes(volume, path, follow)?.inode;
                Ok(volume.set_attribute(inode, name, value, exists)?)
            })
        };
        self.on(py, &[path], set)
    }

    fn remove_attribute(&self, py: Python<'_>, path: &[u8], follow: bool, name: &[u8]) -> PyResult<()> {
        let remove = |session: &Session| {
            session.with(|volume| {
                let inode = paths::attributes(volume, path, follow)?.inode;
                Ok(volume.remove_attribute(inode, name)?)
            })
        };
        self.on(py, &[path], remove)
    }

    /// Opens a file: its inode, which stays until it is closed as often as it was opened. `create` has the permissions
    /// of a file that is made.
    fn open(&self, py: Python<'_>, path: &[u8], create: Option<u32>, exclusive: bool, truncate: bool) -> PyResult<u64> {
        let how = Opening {
            create,
            exclusive,
            truncate,
        };
        let open = |session: &Session| {
            session.with(|volume| {
                let inode = paths::open(volume, path, how)?;
                session.opened(inode);
                Ok(inode)
            })
        };
        self.on(py, &[path], open)
    }

    fn close_file(&self, py: Python<'_>, inode: u64) -> PyResult<()> {
        let close = |session: &Session| session.with(|volume| session.closed(volume, inode));
        self.on(py, &[], close)
    }

    fn stat_file(&self, py: Python<'_>, inode: u64) -> PyResult<Stat> {
        let found = self.on(py, &[], |session| content::attributes(session, inode))?;
        Ok(tuples::stat(&found))
    }

    fn read<'py>(&self, py: Python<'py>, inode: u64, offset: u64, length: u64) -> PyResult<Bound<'py, PyBytes>> {
        content::read(py, &self.session, inode, offset, length)
    }

    fn write(&self, py: Python<'_>, inode: u64, offset: u64, data: Data<'_>) -> PyResult<()> {
        let bytes = data.as_bytes();
        self.on(py, &[], |session| content::write(session, inode, offset, bytes))
    }

    fn append(&self, py: Python<'_>, inode: u64, data: Data<'_>) -> PyResult<u64> {
        let bytes = data.as_bytes();
        self.on(py, &[], |session| content::append(session, inode, bytes))
    }

    fn truncate(&self, py: Python<'_>, inode: u64, size: u64) -> PyResult<()> {
        let truncate = |session: &Session| session.with(|volume| Ok(volume.truncate(inode, size).map(drop)?));
        self.on(py, &[], |session| truncate(session).map_err(Trouble::of_open_file))
    }

    fn fsync(&self, py: Python<'_>, inode: u64) -> PyResult<()> {
        let fsync = |session: &Session| Ok(session.volume()?.fsync(inode)?);
        self.on(py, &[], |session| fsync(session).map_err(Trouble::of_open_file))
    }

    /// Copies a folder of the host into a directory of the volume: names, and bytes of content.
    fn import_tree(
        &self,
        py: Python<'_>,
        source: PathBuf,
        into: &[u8],
        progress: Option<Py<PyAny>>,
    ) -> PyResult<(u64, u64)> {
        told(py, progress, |listener| {
            let directory = self.session.with(|volume| paths::attributes(volume, into, true))?.inode;
            let imported = import(&*self.session.volume()?, &source, directory, listener)?;
            Ok((imported.files, imported.bytes))
        })
    }

    /// Copies the whole volume into a new folder of the host: names.
    fn export_tree(&self, py: Python<'_>, target: PathBuf, progress: Option<Py<PyAny>>) -> PyResult<u64> {
        told(py, progress, |listener| {
            Ok(export(&*self.session.volume()?, &target, false, listener)?.files)
        })
    }
}
