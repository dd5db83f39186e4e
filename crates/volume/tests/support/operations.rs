//! Random operations, most of which succeed.

use casemate_volume::Allocate;

use super::Seeded;
use super::model::{DIRECTORY, FILE, Model, Operation, Path};

/// What an operation follows from.
pub type Numbers = (u8, u64, u64, u64);

/// An operation on paths of which most exist.
pub fn choose((kind, first, second, third): Numbers, model: &Model) -> Operation {
    let any = |number| existing(model, number, |_| true);
    let file = |number| existing(model, number, |mode| mode == FILE);
    match kind % 40 {
        0..=3 => Operation::Create(fresh(model, first)),
        4 | 5 => Operation::Mkdir(fresh(model, first)),
        6 => Operation::Symlink(fresh(model, first), vec![b'x'; 1 + (third % 300) as usize]),
        7 => Operation::Link(file(first), fresh(model, second)),
        8 => Operation::Unlink(any(first), third % 2 == 0),
        9 => Operation::Rmdir(existing(model, first, |mode| mode == DIRECTORY)),
        10 | 11 => Operation::Rename(any(first), fresh(model, second), (third % 3) as u8),
        12 => Operation::Rename(any(first), any(second), (third % 3) as u8),
        13..=20 => Operation::Write(
            file(first),
            second % 3 * 4096 + second / 7 % 5000,
            length(third),
            third as u8,
        ),
        21 => Operation::Truncate(file(first), second % 4 * 4096 + third % 3000),
        22 if third % 2 == 0 => {
            Operation::Allocate(file(first), second % 20_000, third / 7 % 20_000 + 1, how(third / 2))
        }
        22 => Operation::Truncate(file(first), third % 9 * 300),
        23 => Operation::Chmod(any(first), (second % 0o1000) as u32),
        24 => Operation::SetAttribute(any(first), (second % 3) as u8 + 1, (third % 900) as usize),
        25 => Operation::RemoveAttribute(any(first), (second % 3) as u8 + 1),
        26..=30 => Operation::Fsync(file(first)),
        31 => Operation::Sync,
        36..=39 => Operation::Gather,
        32 | 33 => Operation::Snapshot(b'p' + (first % 2) as u8),
        _ => Operation::DeleteSnapshot(b'p' + (first % 2) as u8),
    }
}

fn how(number: u64) -> Allocate {
    let keep_size = number % 8 < 4;
    match number % 4 {
        0 => Allocate::Reserve { keep_size },
        1 => Allocate::Zero { keep_size },
        _ => Allocate::Punch,
    }
}

/// One of the model's paths of a type, or one that may not exist.
fn existing(model: &Model, number: u64, of: impl Fn(u32) -> bool) -> Path {
    let view = model.view();
    let paths = view
        .iter()
        .filter(|(path, (seen, _))| !path.is_empty() && of(seen.mode & 0o170_000));
    let paths: Vec<&Path> = paths.map(|(path, _)| path).collect();
    match number % 16 {
        0 => anywhere(number),
        _ if paths.is_empty() => anywhere(number),
        _ => paths[(number >> 8) as usize % paths.len()].clone(),
    }
}

/// A name in a directory of the model, at most three deep.
fn fresh(model: &Model, number: u64) -> Path {
    let view = model.view();
    let directories = view
        .iter()
        .filter(|(path, (seen, _))| path.len() < 3 && seen.mode & 0o170_000 == DIRECTORY);
    let directories: Vec<&Path> = directories.map(|(path, _)| path).collect();
    let mut path = directories[(number >> 8) as usize % directories.len()].clone();
    path.push(b'a' + (number >> 4) as u8 % 8);
    path
}

fn anywhere(number: u64) -> Path {
    let depth = [1, 1, 1, 2, 2, 3][(number / 16 % 6) as usize];
    (0..depth)
        .map(|level| b'a' + (number >> (8 + 2 * level) & 3) as u8)
        .collect()
}

/// Mostly short, sometimes over what the log takes.
fn length(number: u64) -> usize {
    match number % 10 {
        0..=4 => (number / 10 % 3000) as usize + 1,
        5..=8 => (number / 10 % 20_000) as usize + 1,
        _ => 70_000 + (number / 10 % 30_000) as usize,
    }
}

/// The next operation out of a seeded source.
pub fn random(random: &mut Seeded, model: &Model) -> Operation {
    choose(
        (random.next() as u8, random.next(), random.next(), random.next()),
        model,
    )
}
