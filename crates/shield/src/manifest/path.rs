//! Paths of the private root.

use super::error::{ManifestError, excerpt};

/// Longest path, that of Linux without its NUL.
pub(super) const MAX_PATH_BYTES: usize = 4095;

/// Places that the shield makes itself.
const RESERVED: [&str; 4] = ["/proc", "/dev", "/sys", "/run/casemate"];

/// Checks that `path` is absolute, normalised, below `/` and outside the places that the shield makes itself.
pub(super) fn check(field: &'static str, path: &str) -> Result<(), ManifestError> {
    let refuse = |why| {
        Err(ManifestError::Path {
            field,
            path: excerpt(path),
            why,
        })
    };
    if path.len() > MAX_PATH_BYTES {
        return refuse("longer than 4,095 bytes");
    }
    if path.chars().any(|c| c < ' ' || c == '\x7f') {
        return refuse("not free of control characters");
    }
    let Some(relative) = path.strip_prefix('/').filter(|rest| !rest.is_empty()) else {
        return refuse("not an absolute path below /");
    };
    if relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse("not normalised");
    }
    if RESERVED
        .iter()
        .any(|reserved| *reserved == path || is_below(path, reserved))
    {
        return refuse("a place that the shield makes itself");
    }
    Ok(())
}

/// Whether `path` lies below `folder`.
pub(super) fn is_below(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder).is_some_and(|rest| rest.starts_with('/'))
}

/// The folders above `path`, nearest to the root first, without `/`.
pub fn parents(path: &str) -> impl Iterator<Item = &str> {
    path.match_indices('/').skip(1).map(|(at, _)| &path[..at])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parents_come_from_the_root_down() {
        assert_eq!(parents("/a/bc/d").collect::<Vec<_>>(), ["/a", "/a/bc"]);
        assert_eq!(parents("/a").count(), 0);
    }

    #[test]
    fn a_sibling_with_the_same_beginning_is_not_below() {
        assert!(is_below("/run/x/y", "/run/x"));
        assert!(!is_below("/run/xy", "/run/x"));
        assert!(!is_below("/run/x", "/run/x"));
    }
}
