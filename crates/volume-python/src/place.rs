//! Where a volume is, in Python's words.

use std::path::PathBuf;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casemate_volume::anchor::Durability;
use casemate_volume::{Freshness, Roots, VolumeKey};
use casemate_volume_local::{AnchorFile, Place};
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use zeroize::Zeroizing;

/// A place. `key` is base64url, as key files have it.
pub fn place(folder: PathBuf, key: &str, anchor: PathBuf, durability: &str) -> PyResult<Place> {
    let anchor = AnchorFile {
        file: anchor,
        durability: match durability {
            "lazy" => Durability::Lazy,
            "durable" => Durability::Durable,
            other => return Err(unknown("durability", other)),
        },
    };
    Ok(Place {
        folder,
        key: volume_key(key)?,
        anchor: Some(anchor),
        keeps_reads: true,
    })
}

fn volume_key(text: &str) -> PyResult<VolumeKey> {
    let mut bytes = Zeroizing::new([0; 32]);
    match URL_SAFE_NO_PAD.decode_slice(text.as_bytes(), bytes.as_mut_slice()) {
        Ok(32) => Ok(VolumeKey::new(*bytes)),
        _ => Err(PyValueError::new_err("a key is 32 bytes in base64url")),
    }
}

pub fn freshness(name: &str) -> PyResult<Freshness> {
    match name {
        "strict" => Ok(Freshness::Strict),
        "interval" => Ok(Freshness::Interval),
        "none" => Ok(Freshness::None),
        other => Err(unknown("freshness", other)),
    }
}

pub fn roots(name: &str) -> PyResult<Roots> {
    match name {
        "tag" => Ok(Roots::Tag),
        "hash" => Ok(Roots::Hash),
        other => Err(unknown("root", other)),
    }
}

fn unknown(what: &str, name: &str) -> PyErr {
    PyValueError::new_err(format!("no {what} is called {name}"))
}
