//! What goes wrong, as Python hears it.

use casemate_volume::Error;
use casemate_volume_local::Failure;
use pyo3::exceptions::{PyOSError, PyRuntimeError, PyValueError};
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use rustix::io::Errno;

/// The module and the function that make what a volume's refusal is raised as.
const REFUSALS: &str = "casemate.volume.refusals";
const REFUSAL: &str = "refusal";

/// Why a call is refused.
#[derive(Debug)]
pub enum Trouble {
    /// The volume says so, or the host below it.
    Local(Failure),
    /// A file system would say so.
    Errno(Errno),
    /// It was closed.
    Closed,
    /// This thread holds it, and was only told how far it is.
    Held,
    /// This process is a copy of the one that opened it.
    Forked,
}

impl From<Error> for Trouble {
    fn from(error: Error) -> Self {
        Self::Local(error.into())
    }
}

impl From<Failure> for Trouble {
    fn from(failure: Failure) -> Self {
        Self::Local(failure)
    }
}

impl From<Errno> for Trouble {
    fn from(errno: Errno) -> Self {
        Self::Errno(errno)
    }
}

impl Trouble {
    /// Of a file that is open: that it is not there means that it is no more.
    pub fn of_open_file(self) -> Self {
        match self {
            Self::Local(Failure::Volume(Error::NotFound)) => Self::Errno(Errno::STALE),
            other => other,
        }
    }

    /// As an exception.
    pub fn raise(self, py: Python<'_>) -> PyErr {
        self.at(py, &[])
    }

    /// As an exception about paths of the volume.
    pub fn at(self, py: Python<'_>, paths: &[&[u8]]) -> PyErr {
        self.exception(py, paths).unwrap_or_else(|error| error)
    }

    fn exception(self, py: Python<'_>, paths: &[&[u8]]) -> PyResult<PyErr> {
        match self {
            Self::Closed => Ok(PyValueError::new_err("the volume is closed")),
            Self::Held => Ok(PyRuntimeError::new_err(
                "the volume is being verified: who hears how far that is cannot use it",
            )),
            Self::Forked => refusal(
                py,
                "forked",
                "the volume was opened before this process was forked; two processes must not write as one",
            ),
            Self::Errno(errno) => of_system(py, errno.raw_os_error(), &decoded(py, paths)?),
            Self::Local(failure) => match errno(&failure) {
                Some((errno, None)) => of_system(py, errno, &decoded(py, paths)?),
                Some((errno, Some(path))) => of_system(py, errno, &[path.into_pyobject(py)?.into_any()]),
                None => refusal(py, failure.code(), &failure.to_string()),
            },
        }
    }
}

/// The error number, and the host's path that it is about; nothing where the volume as a whole is refused.
fn errno(failure: &Failure) -> Option<(i32, Option<String>)> {
    match failure {
        Failure::Volume(error) => of_file(error).map(|errno| (errno, None)),
        Failure::About { path, source } => of_file(source).map(|errno| (errno, Some(path.display().to_string()))),
        Failure::Host { doing, source } => source.raw_os_error().map(|errno| (errno, Some(doing.clone()))),
        _ => None,
    }
}

/// The error number of what a file system refuses about one of its files.
fn of_file(error: &Error) -> Option<i32> {
    match error {
        Error::Missing(_) | Error::Occupied(_) | Error::Locked => None,
        _ => Some(error.errno()).filter(|errno| *errno != Errno::IO.raw_os_error()),
    }
}

fn decoded<'py>(py: Python<'py>, paths: &[&[u8]]) -> PyResult<Vec<Bound<'py, PyAny>>> {
    let fsdecode = py.import("os")?.getattr("fsdecode")?;
    paths
        .iter()
        .map(|path| fsdecode.call1((PyBytes::new(py, path),)))
        .collect()
}

/// `OSError(errno, text, path, None, other path)` is made as the class that stands for the number.
fn of_system(py: Python<'_>, errno: i32, paths: &[Bound<'_, PyAny>]) -> PyResult<PyErr> {
    let text = py.import("os")?.getattr("strerror")?.call1((errno,))?.unbind();
    let path = |index: usize| paths.get(index).map(|path| path.clone().unbind());
    Ok(match (path(0), path(1)) {
        (None, _) => PyOSError::new_err((errno, text)),
        (Some(path), None) => PyOSError::new_err((errno, text, path)),
        (Some(path), Some(other)) => PyOSError::new_err((errno, text, path, py.None(), other)),
    })
}

fn refusal(py: Python<'_>, code: &str, message: &str) -> PyResult<PyErr> {
    let made = py.import(REFUSALS)?.getattr(REFUSAL)?.call1((code, message))?;
    Ok(PyErr::from_value(made))
}
