//! Hashes of four messages are those of each of them.
#![allow(clippy::panic, reason = "a test says by panicking that it failed")]

use aws_lc_rs::digest::{Context, SHA256};
use casemate_sys::{LANES, sha256_of_four};

fn other(start: &[u8], message: &[u8]) -> [u8; 32] {
    let mut context = Context::new(&SHA256);
    context.update(start);
    context.update(message);
    let mut hash = [0; 32];
    hash.copy_from_slice(context.finish().as_ref());
    hash
}

/// Bytes that follow from a number and from nothing else (xorshift, G. Marsaglia 2003).
fn noise<const BYTES: usize>(number: u64) -> [u8; BYTES] {
    let mut state = number.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    std::array::from_fn(|_| {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    })
}

fn compare<const BYTES: usize>(start: &[u8; 64], messages: [[u8; BYTES]; LANES]) {
    let Some(hashes) = sha256_of_four(start, messages.each_ref()) else {
        eprintln!("skipped: this processor has no instructions for SHA-256");
        return;
    };
    for (lane, (hash, message)) in hashes.iter().zip(&messages).enumerate() {
        assert_eq!(*hash, other(start, message), "lane {lane}");
    }
}

#[test]
fn they_are_those_of_another_implementation() {
    for number in 0..500 {
        let messages = [0, 1, 2, 3].map(|lane| noise(4 * number + lane));
        compare::<64>(&noise(!number), messages);
    }
    compare::<0>(&noise(1), [[]; LANES]);
    compare::<16384>(&noise(2), [3, 4, 5, 6].map(noise));
}

#[test]
fn bytes_that_are_all_the_same_are_no_exception() {
    for byte in [0, 0x7f, 0x80, 0xff] {
        compare(&[byte; 64], [[byte; 4096]; LANES]);
    }
}

#[test]
fn one_bit_of_one_message_changes_its_hash_alone() {
    let start = noise(7);
    let messages: [[u8; 256]; LANES] = [8, 9, 10, 11].map(noise);
    let Some(before) = sha256_of_four(&start, messages.each_ref()) else {
        return;
    };
    for bit in 0..LANES * 256 * 8 {
        let mut changed = messages;
        let lane = bit / (256 * 8);
        changed[lane][bit / 8 % 256] ^= 1 << (bit % 8);
        let after = sha256_of_four(&start, changed.each_ref()).unwrap_or_default();
        let same: Vec<_> = (0..LANES).filter(|lane| before[*lane] == after[*lane]).collect();
        assert!(same.len() == LANES - 1 && !same.contains(&lane), "bit {bit}");
    }
}
