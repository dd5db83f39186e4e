//! Why bytes are not a launch manifest.

use thiserror::Error;

/// Why bytes are not a launch manifest. The cure is always to build the manifest anew with `casemate manifest build`.
#[derive(Clone, Debug, Error, PartialEq, Eq)]
pub enum ManifestError {
    /// Longer than [`super::MAX_MANIFEST_BYTES`].
    #[error("the manifest has {got} bytes, more than {max}", max = super::MAX_MANIFEST_BYTES)]
    TooLarge {
        /// Its length.
        got: usize,
    },
    /// Not JSON of the documented shape.
    #[error("the manifest is malformed: {0}")]
    Malformed(String),
    /// Not the one canonical spelling (RFC 8785).
    #[error("the manifest is not canonical JSON")]
    NotCanonical,
    /// A list or object with too many members, or a list with too few.
    #[error("{field} has {got} members, allowed are {min} to {max}")]
    Count {
        /// Which list.
        field: &'static str,
        /// How many there are.
        got: usize,
        /// Fewest.
        min: usize,
        /// Most.
        max: usize,
    },
    /// A value outside its documented form.
    #[error("{field}: {got:?} is not {expected}")]
    Value {
        /// Where.
        field: &'static str,
        /// What was there, cut short.
        got: String,
        /// What belongs there.
        expected: &'static str,
    },
    /// A path outside the rules.
    #[error("{field}: {path:?} is {why}")]
    Path {
        /// Which list.
        field: &'static str,
        /// The path, cut short.
        path: String,
        /// What is wrong with it.
        why: &'static str,
    },
    /// Two paths in the wrong order, or one twice.
    #[error("{field} is not sorted by path, or names {path:?} twice")]
    Unsorted {
        /// Which list.
        field: &'static str,
        /// The second of the two.
        path: String,
    },
    /// A field that the role needs is missing, or one is there that it forbids.
    #[error("role: {0}")]
    Role(&'static str),
    /// Something about the image or the rights that the workload keeps.
    #[error("root: {0}")]
    Image(&'static str),
    /// The program is not part of the root.
    #[error("{field}: {program:?} is no file or symbolic link of root")]
    NoProgram {
        /// Where it is named.
        field: &'static str,
        /// Its path, cut short.
        program: String,
    },
    /// Something about a hole.
    #[error("holes: {name:?} {why}")]
    Hole {
        /// The hole, or the field that misuses one.
        name: String,
        /// What is wrong with it.
        why: &'static str,
    },
}

/// Longest excerpt of untrusted text in a message, in characters: enough to find the place.
const MAX_EXCERPT: usize = 80;

/// The beginning of `text`.
pub(super) fn excerpt(text: &str) -> String {
    text.chars().take(MAX_EXCERPT).collect()
}
