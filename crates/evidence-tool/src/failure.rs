//! Why a request is not done.

use casemate_request::Refusal;

use crate::request::Collect;
use crate::sources::Places;

/// Why a request was not done.
#[derive(Clone, Debug)]
pub struct Failure {
    /// For programs; never changes its meaning.
    pub code: &'static str,
    /// For people.
    pub message: String,
}

impl Failure {
    /// None of what was looked for is there.
    pub fn nothing(asked: &Collect, places: &Places) -> Self {
        let looked = places
            .of(asked)
            .into_iter()
            .map(|(path, what)| format!("{} ({what})", path.display()));
        let looked: Vec<_> = looked.collect();
        Self::new(
            "absent",
            format!("no platform is here; looked for {}", looked.join(", ")),
        )
    }
}

impl Refusal for Failure {
    fn new(code: &'static str, message: String) -> Self {
        Self { code, message }
    }

    fn code(&self) -> &'static str {
        self.code
    }

    fn message(&self) -> &str {
        &self.message
    }
}
