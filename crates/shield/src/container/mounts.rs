//! What the engine mounted: folders where the manifest has places for them, and nothing else beside them.

use crate::failure::{Exit, Failure};
use crate::manifest::Manifest;

/// Below it are the folders of the manifest's mounts, by their paths.
pub const MOUNTS: &str = "/casemate/mounts";
/// Likewise of its sealed volumes.
pub const VOLUMES: &str = "/casemate/volumes";
/// Release statements, which the custodian judges: a folder of the host is as good as one of the image.
pub const STATEMENTS: &str = "/casemate/statements";
/// Where nothing else may be mounted.
const GUARDED: &str = super::FOLDER;
/// proc(5): mounts of this process's namespace that its root shows.
const TABLE: &str = "/proc/self/mountinfo";

/// Each place of `manifest` has a mount, and there is no other below `/casemate`.
///
/// What is mounted elsewhere does not matter: the private root shows none of it.
///
/// # Errors
/// [`Exit::Bundle`], with the mount's name.
pub fn check(manifest: &Manifest) -> Result<(), Failure> {
    let table = std::fs::read_to_string(TABLE).map_err(Failure::because(Exit::Confinement, TABLE))?;
    check_table(&table, &wanted(manifest))
}

fn wanted(manifest: &Manifest) -> Vec<String> {
    let mounts = manifest.mounts.iter().map(|mount| format!("{MOUNTS}{}", mount.path));
    let volumes = manifest.volumes.iter().map(|path| format!("{VOLUMES}{path}"));
    mounts.chain(volumes).collect()
}

fn check_table(table: &str, wanted: &[String]) -> Result<(), Failure> {
    // The fifth field is the place (proc(5)).
    let places: Vec<String> = table
        .lines()
        .filter_map(|line| line.split(' ').nth(4))
        .map(unescaped)
        .collect();
    let is_expected = |place: &str| place == STATEMENTS || wanted.iter().any(|wanted| is_within(place, wanted));
    if let Some(place) = places
        .iter()
        .find(|place| is_within(place, GUARDED) && !is_expected(place))
    {
        return Err(Failure::with_its_own_cure(
            Exit::Bundle,
            format!("{place} is mounted, and the manifest knows nothing of it: start the container without that"),
        ));
    }
    match wanted.iter().find(|wanted| !places.contains(wanted)) {
        // Without it the workload would write into the container, which is gone with it.
        Some(place) => Err(Failure::with_its_own_cure(
            Exit::Bundle,
            format!("nothing is mounted at {place}: start the container with --volume FOLDER:{place}"),
        )),
        None => Ok(()),
    }
}

/// Whether `path` is `folder` or below it.
fn is_within(path: &str, folder: &str) -> bool {
    path.strip_prefix(folder)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
}

/// Blanks, tabs, line ends and backslashes are written as a backslash and three octal digits (proc(5)).
fn unescaped(field: &str) -> String {
    [(r"\040", " "), (r"\011", "\t"), (r"\012", "\n"), (r"\134", r"\")]
        .iter()
        .fold(field.to_owned(), |text, (escape, meant)| text.replace(escape, meant))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn table(places: &[&str]) -> String {
        let line = |place: &&str| format!("36 35 98:0 /mnt1 {place} rw,noatime master:1 - ext3 /dev/root rw\n");
        places.iter().map(line).collect()
    }

    fn judged(places: &[&str], wanted: &[&str]) -> Result<(), String> {
        let wanted: Vec<String> = wanted.iter().map(|&place| place.to_owned()).collect();
        check_table(&table(places), &wanted).map_err(|failure| failure.cause)
    }

    #[test]
    fn what_the_engine_mounts_elsewhere_does_not_matter() {
        assert_eq!(judged(&["/", "/proc", "/etc/hosts", "/casemates"], &[]), Ok(()));
    }

    #[test]
    fn release_statements_may_be_mounted_and_nothing_below_them() {
        assert_eq!(judged(&["/", STATEMENTS], &[]), Ok(()));
        judged(&["/", STATEMENTS, "/casemate/statements/1"], &[]).expect_err("a mount of its own");
    }

    #[test]
    fn each_place_needs_its_mount_and_nothing_else_is_mounted() {
        let place = "/casemate/volumes/data";
        assert_eq!(judged(&["/", place], &[place]), Ok(()));
        assert_eq!(judged(&["/", place, "/casemate/volumes/data/below"], &[place]), Ok(()));
        let missing = judged(&["/"], &[place]).expect_err("missing");
        assert!(missing.contains("--volume FOLDER:/casemate/volumes/data"), "{missing}");
        for other in [
            "/casemate",
            "/casemate/shield",
            "/casemate/volumes",
            "/casemate/volumes/data2",
        ] {
            let unexpected = judged(&["/", place, other], &[place]).expect_err(other);
            assert!(unexpected.starts_with(&format!("{other} is mounted")), "{unexpected}");
        }
    }

    #[test]
    fn names_with_blanks_are_read_as_they_are() {
        assert_eq!(
            judged(
                &["/", r"/casemate/mounts/a\040b\134040c"],
                &["/casemate/mounts/a b\\040c"]
            ),
            Ok(())
        );
    }
}
