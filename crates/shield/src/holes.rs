//! Named holes: patterns, and texts that refer to them as `{{ hole.NAME }}`.

mod pattern;
#[cfg(test)]
mod vectors;

use std::collections::BTreeMap;

pub use pattern::{MAX_PATTERN, Pattern};
use zeroize::{Zeroize, Zeroizing};

/// Longest name of a hole, in characters.
pub const MAX_NAME: usize = 64;
/// Longest value, in bytes.
pub const MAX_VALUE: usize = 4096;
/// Longest text once its holes are filled, in bytes: the kernel starts no program with a longer argument or variable
/// (MAX_ARG_STRLEN of linux/binfmts.h, its NUL not counted).
pub const MAX_RENDERED: usize = 128 * 1024 - 1;

const OPEN: &str = "{{ hole.";
const CLOSE: &str = " }}";

/// Beginnings of the names of variables that steer loaders and interpreters (spec/manifest.md).
const LOADER_PREFIXES: [&str; 12] = [
    "LD_", "DYLD_", "PYTHON", "PERL", "RUBY", "NODE_", "JAVA_", "JDK_", "LUA_", "GCONV_", "MALLOC_", "BASH_",
];
const LOADER_NAMES: [&str; 8] = [
    "GLIBC_TUNABLES",
    "ENV",
    "CLASSPATH",
    "LOCPATH",
    "NLSPATH",
    "IFS",
    "PATH",
    "_JAVA_OPTIONS",
];

/// Values by the name of their hole.
pub type Values = BTreeMap<String, Zeroizing<String>>;

/// Whether a variable steers a loader or an interpreter, so that no hole may fill it.
#[must_use]
pub fn is_loader_variable(name: &str) -> bool {
    LOADER_PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || LOADER_NAMES.contains(&name)
}

/// Whether `text` is a letter or `_`, followed by letters, digits or `_`, at most `max` characters in all.
#[must_use]
pub fn is_identifier(text: &str, max: usize) -> bool {
    let word = |c: char| c == '_' || c.is_ascii_alphabetic();
    text.starts_with(word) && text.len() <= max && text.chars().all(|c| word(c) || c.is_ascii_digit())
}

enum Piece<'a> {
    Text(&'a str),
    Hole(&'a str),
}

fn pieces(text: &str) -> Result<Vec<Piece<'_>>, &'static str> {
    let mut pieces = Vec::new();
    let mut rest = text;
    while let Some(at) = rest.find("{{") {
        pieces.push(Piece::Text(&rest[..at]));
        let reference = rest[at..].strip_prefix(OPEN).and_then(|inner| inner.split_once(CLOSE));
        let (name, after) = reference.ok_or("has a '{{' that is not a '{{ hole.NAME }}'")?;
        if !is_identifier(name, MAX_NAME) {
            return Err("has a '{{' that is not a '{{ hole.NAME }}'");
        }
        pieces.push(Piece::Hole(name));
        rest = after;
    }
    pieces.push(Piece::Text(rest));
    Ok(pieces)
}

/// Names of the holes that `text` refers to, in order.
///
/// # Errors
/// What is wrong with it, to be read after the text.
pub fn names(text: &str) -> Result<Vec<&str>, &'static str> {
    let holes = |piece| {
        if let Piece::Hole(name) = piece {
            Some(name)
        } else {
            None
        }
    };
    Ok(pieces(text)?.into_iter().filter_map(holes).collect())
}

/// `text` with every reference replaced by its value; one pass, so that no value is read as a reference again.
///
/// # Errors
/// What is wrong, to be read after the text: a stray `{{`, or a hole without a value.
pub fn render(text: &str, values: &Values) -> Result<Zeroizing<String>, &'static str> {
    let pieces = pieces(text)?;
    let length = |piece: &Piece<'_>| match piece {
        Piece::Text(text) => text.len(),
        Piece::Hole(name) => values.get(*name).map_or(0, |value| value.len()),
    };
    let total: usize = pieces.iter().map(length).sum();
    if total > MAX_RENDERED {
        return Err("is longer than 131,071 bytes once its holes are filled");
    }
    // Large enough from the beginning: a string that grows leaves its old bytes behind.
    let mut rendered = Zeroizing::new(String::with_capacity(total));
    for piece in pieces {
        match piece {
            Piece::Text(text) => rendered.push_str(text),
            Piece::Hole(name) => rendered.push_str(values.get(name).ok_or("refers to a hole without a value")?),
        }
    }
    Ok(rendered)
}

/// Wipes all values.
pub fn wipe(values: &mut Values) {
    values.values_mut().for_each(Zeroize::zeroize);
    values.clear();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn values(pairs: &[(&str, &str)]) -> Values {
        pairs
            .iter()
            .map(|(n, v)| ((*n).to_owned(), Zeroizing::new((*v).to_owned())))
            .collect()
    }

    #[test]
    fn a_value_must_match_as_a_whole() {
        let port = Pattern::new("[0-9]{1,5}").expect("pattern");
        assert!(port.matches("6390"));
        for wrong in ["", "639000", "6390 ", "6390\n", "x6390"] {
            assert!(!port.matches(wrong), "{wrong:?}");
        }
        let either = Pattern::new("a|b").expect("pattern");
        assert!(either.matches("b") && !either.matches("ab") && !either.matches("bx"));
    }

    #[test]
    fn patterns_outside_the_subset_are_refused() {
        for wrong in [
            "",
            "a)|(b",
            "(?i)a",
            "(?=a)",
            "(?!a)",
            "(?<n>a)",
            "(?P<n>a)",
            r"(a)\1",
            "[",
            "a{9999}{9999}",
        ] {
            assert!(Pattern::new(wrong).is_err(), "{wrong:?}");
        }
        for right in ["(?:a)", r"\(\?", "[(?]", &"a".repeat(MAX_PATTERN)] {
            assert!(Pattern::new(right).is_ok(), "{right:?}");
        }
        assert!(Pattern::new(&"a".repeat(MAX_PATTERN + 1)).is_err());
    }

    #[test]
    fn values_are_not_read_as_references_again() {
        let values = values(&[("a", "{{ hole.b }}"), ("b", "secret")]);
        assert_eq!(
            render("x={{ hole.a }}", &values).expect("rendered").as_str(),
            "x={{ hole.b }}"
        );
    }

    #[test]
    fn stray_braces_and_missing_values_are_refused() {
        for wrong in [
            "{{",
            "{{hole.a}}",
            "{{ hole.a}}",
            "{{ hole.1 }}",
            "{{ secret.a }}",
            "{{ hole.a }}{{",
            "{{ hole.{{ hole.a }} }}",
        ] {
            assert!(render(wrong, &values(&[("a", "v")])).is_err(), "{wrong}");
        }
        assert_eq!(
            render("{{ hole.b }}", &values(&[("a", "v")])).expect_err("missing"),
            "refers to a hole without a value"
        );
        assert_eq!(render("}} { {", &values(&[])).expect("no reference").as_str(), "}} { {");
    }

    #[test]
    fn a_text_may_grow_to_what_the_kernel_takes_and_no_further() {
        let references = "{{ hole.a }}".repeat(32);
        let values = values(&[("a", &"x".repeat(MAX_VALUE)), ("b", &"x".repeat(MAX_VALUE - 1))]);
        let fits = render(&references.replacen("hole.a", "hole.b", 1), &values).expect("at the limit");
        assert_eq!(fits.len(), MAX_RENDERED);
        let refused = render(&references, &values).expect_err("over the limit");
        assert_eq!(refused, "is longer than 131,071 bytes once its holes are filled");
    }

    #[test]
    fn loader_variables_are_known() {
        for name in [
            "LD_PRELOAD",
            "PYTHONPATH",
            "PATH",
            "GLIBC_TUNABLES",
            "JAVA_TOOL_OPTIONS",
            "NODE_OPTIONS",
        ] {
            assert!(is_loader_variable(name), "{name}");
        }
        assert!(!is_loader_variable("PORT") && !is_loader_variable("PATHS"));
    }
}
