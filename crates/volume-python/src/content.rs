//! What is in files.

use casemate_volume::Attributes;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;

use crate::session::Session;
use crate::trouble::Trouble;

/// Bytes that are read or written in one step: others get their turn between two.
const STEP: usize = 4 << 20;

/// Attributes of a file that is open.
pub fn attributes(session: &Session, inode: u64) -> Result<Attributes, Trouble> {
    let found = session.with(|volume| Ok(volume.attributes(inode)?));
    found.map_err(Trouble::of_open_file)
}

/// Up to `length` bytes from an offset on; less only at the file's end.
pub fn read<'py>(
    py: Python<'py>,
    session: &Session,
    inode: u64,
    offset: u64,
    length: u64,
) -> PyResult<Bound<'py, PyBytes>> {
    let size = py
        .detach(|| attributes(session, inode))
        .map_err(|trouble| trouble.raise(py))?
        .size;
    let length = usize::try_from(size.saturating_sub(offset).min(length))?;
    let mut count = 0;
    let bytes = PyBytes::new_with(py, length, |out| {
        let filled = py.detach(|| fill(session, inode, offset, out));
        count = filled.map_err(|trouble| trouble.raise(py))?;
        Ok(())
    })?;
    if count == length {
        return Ok(bytes);
    }
    // Somebody made the file shorter meanwhile.
    Ok(PyBytes::new(py, &bytes.as_bytes()[..count]))
}

fn fill(session: &Session, inode: u64, offset: u64, out: &mut [u8]) -> Result<usize, Trouble> {
    let mut done = 0;
    for step in out.chunks_mut(STEP) {
        let at = offset + done as u64;
        let read = session.run(|volume| Ok(volume.read(inode, at, step)?));
        let count = read.map_err(Trouble::of_open_file)?;
        done += count;
        if count < step.len() {
            break;
        }
    }
    Ok(done)
}

/// Bytes to write: of a `bytes` object as they lie there, of other buffers copied, since others may change them.
pub enum Data<'py> {
    Bytes(Bound<'py, PyBytes>),
    Copied(Vec<u8>),
}

impl<'py> FromPyObject<'_, 'py> for Data<'py> {
    type Error = PyErr;

    fn extract(object: Borrowed<'_, 'py, PyAny>) -> PyResult<Self> {
        if let Ok(bytes) = object.cast::<PyBytes>() {
            return Ok(Self::Bytes(bytes.to_owned()));
        }
        let buffer: PyBuffer<u8> = object.extract()?;
        Ok(Self::Copied(buffer.to_vec(object.py())?))
    }
}

impl Data<'_> {
    pub fn as_bytes(&self) -> &[u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(),
            Self::Copied(bytes) => bytes,
        }
    }
}

/// Writes at an offset.
pub fn write(session: &Session, inode: u64, offset: u64, bytes: &[u8]) -> Result<(), Trouble> {
    let mut at = offset;
    for step in bytes.chunks(STEP) {
        let written = session.run(|volume| Ok(volume.write(inode, at, step)?));
        written.map_err(Trouble::of_open_file)?;
        at = at.saturating_add(step.len() as u64);
    }
    Ok(())
}

/// Writes at the end, wherever that is by then; where the end is now.
pub fn append(session: &Session, inode: u64, bytes: &[u8]) -> Result<u64, Trouble> {
    let appended = session.with(|volume| {
        let size = volume.attributes(inode)?.size;
        volume.write(inode, size, bytes)?;
        Ok(size + bytes.len() as u64)
    });
    appended.map_err(Trouble::of_open_file)
}
