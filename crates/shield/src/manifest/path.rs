//! Paths of the private root.

use super::error::{ManifestError, excerpt};

/// Longest path, that of Linux without its NUL.
pub(super) const MAX_PATH_BYTES: usize = 4095;

/// Places that the shield makes itself.
const RESERVED: [&str; 4] = ["/proc", "/dev", "/sys", "/run/casemate"];

/// Checks that `path` is a folder's, below `/` and outside the places that the shield makes itself.
pub(super) fn check(field: &'static str, path: &str) -> Result<(), ManifestError> {
    if path == "/" {
        return refuse(field, path, "not an absolute path below /");
    }
    check_folder(field, path)?;
    let reserved = RESERVED.iter().any(|place| *place == path || is_below(path, place));
    if reserved {
        return refuse(field, path, "a place that the shield makes itself");
    }
    Ok(())
}

/// Checks that `path` is absolute and normalised, and shows what it is.
pub(super) fn check_folder(field: &'static str, path: &str) -> Result<(), ManifestError> {
    let Some(relative) = path.strip_prefix('/') else {
        return refuse(field, path, "not an absolute path");
    };
    if path.len() > MAX_PATH_BYTES {
        return refuse(field, path, "longer than 4,095 bytes");
    }
    if !is_plain(path) {
        return refuse(field, path, "not free of characters that do not show");
    }
    if path != "/" && relative.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return refuse(field, path, "not normalised");
    }
    Ok(())
}

/// Whether a person who reads `text` sees what is there: no control characters (C0, DEL, C1), nothing that reorders the
/// text around it (UAX #9) or breaks lines.
pub fn is_plain(text: &str) -> bool {
    !text.chars().any(|c| {
        matches!(c, '\u{0}'..='\u{1f}' | '\u{7f}'..='\u{9f}' | '\u{61c}' | '\u{200e}' | '\u{200f}'
                    | '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
    })
}

fn refuse(field: &'static str, path: &str, why: &'static str) -> Result<(), ManifestError> {
    Err(ManifestError::Path {
        field,
        path: excerpt(path),
        why,
    })
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
