use thiserror::Error as ThisError;

/// Why a certificate, or the evidence in it, is refused: the step of spec/ra-tls.md or spec/evidence.md, and what was
/// wrong there.
#[derive(Debug, Clone, PartialEq, Eq, ThisError)]
#[error("{reason} ({step}{}{})", wanted(.expected.as_deref()), came(.got.as_deref()))]
pub struct Error {
    /// The step that refused, as the specification names it.
    pub step: &'static str,
    /// For the person who must act.
    pub reason: String,
    /// What would have been right.
    pub expected: Option<String>,
    /// What came instead.
    pub got: Option<String>,
}

impl Error {
    pub(crate) fn new(step: &'static str, reason: impl Into<String>) -> Self {
        Self {
            step,
            reason: reason.into(),
            expected: None,
            got: None,
        }
    }

    pub(crate) fn expected(self, expected: impl Into<String>) -> Self {
        Self {
            expected: Some(one_line(expected.into())),
            ..self
        }
    }

    pub(crate) fn got(self, got: impl Into<String>) -> Self {
        Self {
            got: Some(one_line(got.into())),
            ..self
        }
    }
}

/// Longest text of somebody else's that an error repeats, in characters.
const MAX_SHOWN: usize = 400;

/// What came is whoever's words: of one line, and not of any length.
fn one_line(text: String) -> String {
    text.chars()
        .take(MAX_SHOWN)
        .map(|shown| if shown.is_ascii_graphic() { shown } else { ' ' })
        .collect()
}

fn wanted(text: Option<&str>) -> String {
    text.map(|text| format!("; expected {text}")).unwrap_or_default()
}

fn came(text: Option<&str>) -> String {
    text.map(|text| format!("; got {text}")).unwrap_or_default()
}
