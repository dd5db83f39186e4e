//! Patterns and texts with holes: any give a verdict, soon, and nothing grows beyond its limit.
#![no_main]

use casemate_shield::holes::{MAX_RENDERED, MAX_VALUE, Pattern, Values, names, render};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|parts: (&str, &str, &str)| {
    let (pattern, text, value) = parts;
    if let (Ok(pattern), true) = (Pattern::new(pattern), value.len() <= MAX_VALUE) {
        let _ = pattern.matches(value);
    }
    let Ok(holes) = names(text) else { return };
    let values: Values = holes
        .iter()
        .map(|name| ((*name).to_owned(), value.to_owned().into()))
        .collect();
    if let Ok(rendered) = render(text, &values) {
        assert!(rendered.len() <= MAX_RENDERED);
    }
});
