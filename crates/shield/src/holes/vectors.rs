//! `spec/vectors/patterns.json`: Python's reader of patterns is held to the same, reasons included.

use serde_json::Value;

use super::{Pattern, names};

fn file() -> Value {
    serde_json::from_str(include_str!("../../../../spec/vectors/patterns.json")).expect("vectors")
}

fn list<'a>(value: &'a Value, name: &str) -> &'a [Value] {
    value[name].as_array().expect("a list")
}

fn text<'a>(case: &'a Value, field: &str) -> &'a str {
    case[field].as_str().expect("text")
}

#[test]
fn a_pattern_matches_what_it_means() {
    let file = file();
    assert!(list(&file, "accepted").len() > 40);
    for case in list(&file, "accepted") {
        let pattern = Pattern::new(text(case, "pattern")).expect("a pattern");
        for (field, wanted) in [("matches", true), ("refuses", false)] {
            for value in list(case, field) {
                let value = value.as_str().expect("text");
                assert_eq!(pattern.matches(value), wanted, "{:?} {value:?}", case["pattern"]);
            }
        }
    }
}

#[test]
fn what_is_no_pattern_is_refused_for_its_reason() {
    let file = file();
    assert!(list(&file, "refused").len() > 100);
    for case in list(&file, "refused") {
        let reason = Pattern::new(text(case, "pattern")).expect_err(text(case, "pattern"));
        assert_eq!(reason, text(case, "reason"), "{:?}", case["pattern"]);
    }
}

#[test]
fn texts_name_their_holes() {
    let file = file();
    assert!(list(&file, "texts").len() > 20);
    for case in list(&file, "texts") {
        let found = names(text(case, "text")).map(Value::from).unwrap_or(Value::Null);
        assert_eq!(found, case["holes"], "{:?}", case["text"]);
    }
}
