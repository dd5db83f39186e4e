//! Why a request is not done.

use casemate_request::Refusal;

use crate::request::Collect;
use crate::sources::Places;

casemate_request::failure!();

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
