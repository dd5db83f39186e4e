//! What is asked of the platform behind a certificate: as a policy does of a service's platforms (spec/policy.md,
//! "Decision order", steps 5 to 9).
//!
//! That runtime and manifest are the wanted ones says nothing of how old a machine's firmware is.

use std::collections::{BTreeMap, BTreeSet};

use crate::{Claims, Error, Platform};

/// Of one platform: the least security versions, for each value those that are admitted, and what is waived.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Asked {
    /// By the platform's own names. One that the platform has not refuses.
    pub tcb: BTreeMap<String, u64>,
    /// By the names of [`Claims::values`]. One that is not there is none of those that are admitted.
    pub require: BTreeMap<String, BTreeSet<String>>,
    /// What the evidence may lack.
    pub waivers: Vec<Waiver>,
}

/// Something that evidence may lack, until a time.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Waiver {
    /// `crl`.
    pub lacks: String,
    /// Unix seconds; not included.
    pub until: i64,
}

/// Those that say something without values that are asked for, with nothing waived.
pub fn up_to_date() -> BTreeMap<Platform, Asked> {
    let all = [Platform::SevSnp, Platform::Simulated, Platform::SimulatedContainer];
    all.into_iter().map(|platform| (platform, Asked::default())).collect()
}

/// What evidence may lack as far as any of `platforms` goes: [`check`] looks which one it was.
pub fn excused(platforms: &BTreeMap<Platform, Asked>) -> BTreeSet<String> {
    let waivers = platforms.values().flat_map(|asked| &asked.waivers);
    waivers.map(|waiver| waiver.lacks.clone()).collect()
}

/// Step 6: the platform is one of `platforms`, with what is asked of it. No vendor of these gives a verdict on the TCB, so
/// that there is no status to be judged.
pub fn check(platforms: &BTreeMap<Platform, Asked>, claims: &Claims, now: i64) -> Result<(), Error> {
    let Some(asked) = platforms.get(&claims.platform) else {
        let listed: Vec<_> = platforms.keys().map(|platform| platform.name()).collect();
        let got = claims.platform.name();
        return Err(refused("ra_tls.platform.listed").expected(listed.join(" or ")).got(got));
    };
    check_meant(asked)?;
    check_values(asked, claims)?;
    check_minima(asked, claims)?;
    check_complete(asked, claims, now)
}

/// What is asked means something, as in policies: these are the word of whoever signed the identity block, so of anybody
/// where nothing says who that is (spec/policy.md, "Some things have to be asked for").
fn check_meant(asked: &Asked) -> Result<(), Error> {
    let value = ["family_id", "image_id"]
        .into_iter()
        .find(|name| asked.require.contains_key(*name));
    let (step, part) = match (asked.tcb.contains_key("guest"), value) {
        _ if asked.require.contains_key("id_key_digest") => return Ok(()),
        (true, _) => ("ra_tls.tcb.minima", "guest"),
        (false, Some(name)) => ("ra_tls.platform.values", name),
        (false, None) => return Ok(()),
    };
    Err(refused(step)
        .expected(format!("id_key_digest beside {part}"))
        .got("what anybody may sign"))
}

fn check_values(asked: &Asked, claims: &Claims) -> Result<(), Error> {
    for (name, admitted) in &asked.require {
        let got = claims.values.get(name);
        if got.is_none_or(|got| !admitted.contains(got)) {
            let listed: Vec<_> = admitted.iter().map(String::as_str).collect();
            return Err(refused("ra_tls.platform.values")
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
            return Err(refused("ra_tls.tcb.minima")
                .expected(format!("{name} at least {least}"))
                .got(format!(
                    "{name} {}",
                    got.map_or_else(|| "none".to_owned(), u64::to_string)
                )));
        }
    }
    Ok(())
}

/// What should have come with the evidence came, or is waived.
fn check_complete(asked: &Asked, claims: &Claims, now: i64) -> Result<(), Error> {
    for lack in &claims.lacks {
        let waived = asked
            .waivers
            .iter()
            .any(|waiver| waiver.lacks == *lack && now < waiver.until);
        if !waived {
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
