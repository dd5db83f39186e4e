//! What is asked of the platform behind a certificate: as a policy does of a service's platforms (spec/policy.md,
//! "Decision order", steps 5 to 9).
//!
//! That runtime and manifest are the wanted ones says nothing of how old a machine's firmware is.

use std::collections::{BTreeMap, BTreeSet};

use crate::claims::UP_TO_DATE;
use crate::platforms::Part;
use crate::{Claims, Error, Platform};

const MINIMA: &str = "ra_tls.tcb.minima";
const VALUES: &str = "ra_tls.platform.values";

/// Of one platform: the least security versions, for each value those that are admitted, and what is waived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// By the platform's own names. One that the platform has not refuses.
    pub tcb: BTreeMap<String, u64>,
    /// By the names of [`Claims::values`]. One that is not there is none of those that are admitted.
    pub require: BTreeMap<String, BTreeSet<String>>,
    /// What is excused.
    pub waivers: Vec<Waiver>,
}

/// Something that is excused until a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// What it is.
    pub of: Waived,
    /// Unix seconds; not included.
    pub until: i64,
}

/// What can be excused.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Waived {
    /// Something that evidence lacks: `crl`, of a TPM `authority`.
    Lack(String),
    /// A vendor's verdict on a TCB.
    Status {
        /// As [`Claims::tcb_status`] has it.
        status: String,
        /// What may be open. Others than these are not excused.
        advisories: BTreeSet<String>,
    },
}

/// Those of which nothing has to be asked, with nothing waived.
pub fn up_to_date() -> BTreeMap<Platform, Asked> {
    let all = Platform::ALL.into_iter().map(|platform| (platform, Asked::default()));
    all.filter(|(platform, asked)| platform.unmet(asked).is_none())
        .collect()
}

/// What evidence may lack as far as any of `platforms` goes: [`check`] looks which one it was.
pub fn excused(platforms: &BTreeMap<Platform, Asked>) -> BTreeSet<String> {
    let waived = platforms.values().flat_map(|asked| &asked.waivers);
    let waived = waived.filter_map(|waiver| match &waiver.of {
        Waived::Lack(lack) => Some(lack.clone()),
        Waived::Status { .. } => None,
    });
    let named = platforms.iter().flat_map(|(platform, asked)| {
        let stand_in = |lack: &&str| {
            platform
                .stands_in_for(lack)
                .is_some_and(|value| asked.require.contains_key(value))
        };
        ["authority"].into_iter().filter(stand_in).map(str::to_owned)
    });
    waived.chain(named).collect()
}

/// Step 6: the platform is one of `platforms`, with what is asked of it.
pub fn check(platforms: &BTreeMap<Platform, Asked>, claims: &Claims, now: i64) -> Result<(), Error> {
    let Some(asked) = platforms.get(&claims.platform) else {
        let listed: Vec<_> = platforms.keys().map(|platform| platform.name()).collect();
        let got = claims.platform.name();
        return Err(refused("ra_tls.platform.listed").expected(listed.join(" or ")).got(got));
    };
    check_meant(claims.platform, asked)?;
    check_values(asked, claims)?;
    check_minima(asked, claims)?;
    check_status(asked, claims, now)?;
    check_complete(asked, claims, now)
}

/// As a policy is not taken that looks strict and says nothing: what has to be asked of this platform is, and what is
/// asked means something.
fn check_meant(platform: Platform, asked: &Asked) -> Result<(), Error> {
    if let Some(need) = platform.unmet(asked) {
        let ways: Vec<_> = need.ways.iter().map(|way| names(way)).collect();
        let first = need.ways.first().copied().unwrap_or_default();
        return Err(refused(step_of(first))
            .expected(format!("{} to be asked for", ways.join(" or ")))
            .got(need.why));
    }
    if let Some((part, other)) = platform.hollow(asked) {
        return Err(refused(step_of(&[part]))
            .expected(format!("{} beside {}", other.name(), part.name()))
            .got("what anybody may sign"));
    }
    Ok(())
}

fn names(way: &[Part]) -> String {
    let all: Vec<_> = way.iter().map(|part| part.name()).collect();
    all.join(", ")
}

fn step_of(parts: &[Part]) -> &'static str {
    if parts.iter().all(|part| matches!(part, Part::Tcb(_))) {
        MINIMA
    } else {
        VALUES
    }
}

fn check_values(asked: &Asked, claims: &Claims) -> Result<(), Error> {
    for (name, admitted) in &asked.require {
        let got = claims.values.get(name);
        if got.is_none_or(|got| !admitted.contains(got)) {
            let listed: Vec<_> = admitted.iter().map(String::as_str).collect();
            return Err(refused(VALUES)
                .expected(format!("{name} {}", listed.join(" or ")))
                .got(format!("{name} {}", got.map_or("none", String::as_str))));
        }
    }
    Ok(())
}

fn check_minima(asked: &Asked, claims: &Claims) -> Result<(), Error> {
    for (name, least) in &asked.tcb {
        let got = claims.tcb.get(name.as_str());
        if got.is_none_or(|got| got < least) {
            return Err(refused(MINIMA)
                .expected(format!("{name} at least {least}"))
                .got(format!(
                    "{name} {}",
                    got.map_or_else(|| "none".to_owned(), u64::to_string)
                )));
        }
    }
    Ok(())
}

/// The vendor finds nothing wrong with the TCB, or it is waived what it finds.
fn check_status(asked: &Asked, claims: &Claims, now: i64) -> Result<(), Error> {
    let status = match claims.tcb_status {
        Some(UP_TO_DATE) => return Ok(()),
        None if !claims.platform.has_verdicts() => return Ok(()),
        other => other.unwrap_or("none"),
    };
    let is_waived = |waiver: &Waiver| match &waiver.of {
        Waived::Status {
            status: waived,
            advisories,
        } => waived == status && claims.advisories.is_subset(advisories) && now < waiver.until,
        Waived::Lack(_) => false,
    };
    if asked.waivers.iter().any(is_waived) {
        return Ok(());
    }
    let open: Vec<_> = claims.advisories.iter().map(String::as_str).collect();
    Err(refused("ra_tls.tcb.status")
        .expected(UP_TO_DATE)
        .got(format!("{status} ({})", open.join(", "))))
}

/// What should have come with the evidence came, or is waived, or something that is asked for stands in for it.
fn check_complete(asked: &Asked, claims: &Claims, now: i64) -> Result<(), Error> {
    for lack in &claims.lacks {
        let is_waived = asked
            .waivers
            .iter()
            .any(|waiver| matches!(&waiver.of, Waived::Lack(waived) if waived == lack) && now < waiver.until);
        let stand_in = claims.platform.stands_in_for(lack);
        let is_named = stand_in.is_some_and(|value| asked.require.contains_key(value));
        if !is_waived && !is_named {
            return Err(refused("ra_tls.endorsements.complete")
                .expected("complete evidence")
                .got(format!("without {lack}")));
        }
    }
    Ok(())
}

fn refused(step: &'static str) -> Error {
    Error::new(step, "genuine, but not a platform that is wanted")
}

#[cfg(test)]
mod tests {
    use casemate_wire::encoding::time;
    use serde_json::Value;

    use super::*;

    fn texts(value: &Value) -> BTreeSet<String> {
        let all = value.as_array().into_iter().flatten();
        all.map(|text| text.as_str().unwrap().to_owned()).collect()
    }

    fn numbers(value: &Value) -> BTreeMap<String, u64> {
        let all = value.as_object().into_iter().flatten();
        all.map(|(name, number)| (name.clone(), number.as_u64().unwrap()))
            .collect()
    }

    /// Of one that lives as long as the tests: claims name what is in the program.
    fn lasting(text: &str) -> &'static str {
        text.to_owned().leak()
    }

    fn platform(name: &str) -> Platform {
        Platform::ALL.into_iter().find(|known| known.name() == name).unwrap()
    }

    fn claims(said: &Value) -> Claims {
        let values = said["values"].as_object().into_iter().flatten();
        Claims {
            platform: platform(said["platform"].as_str().unwrap()),
            product: "",
            runtime_measurement: String::new(),
            manifest: [0; 32],
            report_data: Vec::new(),
            hardware: Vec::new(),
            tcb: numbers(&said["tcb"])
                .into_iter()
                .map(|(name, number)| (lasting(&name), number))
                .collect(),
            values: values
                .map(|(name, value)| (name.clone(), value.as_str().unwrap().to_owned()))
                .collect(),
            tcb_status: said["tcb_status"].as_str().map(lasting),
            advisories: texts(&said["advisories"]),
            lacks: texts(&said["lacks"]).iter().map(|lack| lasting(lack)).collect(),
            seen: BTreeMap::new(),
            chosen: BTreeMap::new(),
            vmpl: None,
            verified_at: 0,
        }
    }

    fn waiver(waived: &Value) -> Waiver {
        let text = |name: &str| waived[name].as_str().map(str::to_owned);
        Waiver {
            of: text("lacks").map_or_else(
                || Waived::Status {
                    status: text("status").unwrap(),
                    advisories: texts(&waived["advisories"]),
                },
                Waived::Lack,
            ),
            until: time(&text("until").unwrap()).unwrap(),
        }
    }

    fn asked(value: &Value) -> Asked {
        let require = value["require"].as_object().into_iter().flatten();
        Asked {
            tcb: numbers(&value["tcb"]),
            require: require
                .map(|(name, admitted)| (name.clone(), texts(admitted)))
                .collect(),
            waivers: value["waive"].as_array().into_iter().flatten().map(waiver).collect(),
        }
    }

    #[test]
    fn platforms_are_judged_as_the_vectors_say() {
        let file: Value = serde_json::from_str(include_str!("../../../spec/vectors/peers.json")).unwrap();
        let at = time(file["at"].as_str().unwrap()).unwrap();
        for case in file["cases"].as_array().unwrap() {
            let platforms = match case["platforms"].as_object() {
                Some(all) => all.iter().map(|(name, one)| (platform(name), asked(one))).collect(),
                None => up_to_date(),
            };
            let name = &case["name"];
            assert_eq!(excused(&platforms), texts(&case["excused"]), "{name}");
            let step = check(&platforms, &claims(&case["claims"]), at)
                .err()
                .map(|error| error.step);
            assert_eq!(step, case["step"].as_str(), "{name}");
        }
    }
}
