//! Long work that tells Python how far it is, and stops where Python wants that.

use std::ops::ControlFlow;

use casemate_volume_local::Listener;
use pyo3::prelude::*;

use crate::trouble::Trouble;

/// Does `work` while other threads go on. `callback` is told how many of how many bytes are done; what it raises, or a
/// signal's handler, ends the work and is raised here.
pub fn told<T: Send>(
    py: Python<'_>,
    callback: Option<Py<PyAny>>,
    work: impl FnOnce(Listener<'_>) -> Result<T, Trouble> + Send,
) -> PyResult<T> {
    let mut raised = None;
    let outcome = py.detach(|| {
        work(&mut |done, total| match tell(callback.as_ref(), done, total) {
            Ok(()) => ControlFlow::Continue(()),
            Err(error) => {
                raised = Some(error);
                ControlFlow::Break(())
            }
        })
    });
    match raised {
        Some(error) => Err(error),
        None => outcome.map_err(|trouble| trouble.raise(py)),
    }
}

fn tell(callback: Option<&Py<PyAny>>, done: u64, total: u64) -> PyResult<()> {
    Python::attach(|py| {
        py.check_signals()?;
        if let Some(callback) = callback {
            callback.call1(py, (done, total))?;
        }
        Ok(())
    })
}
