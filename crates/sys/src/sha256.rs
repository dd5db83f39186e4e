//! SHA-256 (FIPS 180-4) of four messages at the same time.
//!
//! A processor with instructions for it still waits in each round for the one before. With four messages there is
//! always one whose round can begin: twice as many bytes a second. Which hash comes out is held against another
//! implementation (tests/sha256.rs).

/// Messages that are hashed at once.
pub const LANES: usize = 4;
/// Bytes of a block.
const BLOCK: usize = 64;

/// The hashes of four messages of one length, each `start` and then its own bytes; `None` on processors that have no
/// instructions for it: then nothing here is faster.
///
/// Messages are of whole blocks, which the compiler holds them to.
#[must_use]
pub fn sha256_of_four<const BYTES: usize>(
    start: &[u8; BLOCK],
    messages: [&[u8; BYTES]; LANES],
) -> Option<[[u8; 32]; LANES]> {
    const { assert!(BYTES % BLOCK == 0, "messages are of whole blocks") };
    let mut states = [INITIAL; LANES];
    let mut end = [0; BLOCK];
    end[0] = 0x80;
    end[BLOCK - 8..].copy_from_slice(&(8 * (BLOCK + BYTES) as u64).to_be_bytes());
    processor::add(&mut states, [start; LANES])?;
    processor::add(&mut states, messages.map(<[u8; BYTES]>::as_slice))?;
    processor::add(&mut states, [&end; LANES])?;
    Some(states.map(bytes))
}

fn bytes(state: [u32; 8]) -> [u8; 32] {
    let mut bytes = [0; 32];
    let words = bytes.chunks_exact_mut(4).zip(state);
    words.for_each(|(room, word)| room.copy_from_slice(&word.to_be_bytes()));
    bytes
}

/// Square roots of the first primes (FIPS 180-4, 5.3.3).
#[rustfmt::skip]
const INITIAL: [u32; 8] = [
    0x6a09_e667, 0xbb67_ae85, 0x3c6e_f372, 0xa54f_f53a, 0x510e_527f, 0x9b05_688c, 0x1f83_d9ab, 0x5be0_cd19,
];

#[cfg(target_arch = "x86_64")]
#[allow(
    unused_unsafe,
    reason = "compilers from 1.87 on know that instructions without pointers are safe where there are such"
)]
mod processor {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi32, _mm_alignr_epi8, _mm_blend_epi16, _mm_loadu_si128, _mm_set_epi64x, _mm_setzero_si128,
        _mm_sha256msg1_epu32, _mm_sha256msg2_epu32, _mm_sha256rnds2_epu32, _mm_shuffle_epi8, _mm_shuffle_epi32,
        _mm_storeu_si128,
    };

    use super::{BLOCK, LANES};

    /// Cube roots of the first primes (FIPS 180-4, 4.2.2).
    #[rustfmt::skip]
    const ROUNDS: [[u32; 4]; 16] = [
        [0x428a_2f98, 0x7137_4491, 0xb5c0_fbcf, 0xe9b5_dba5], [0x3956_c25b, 0x59f1_11f1, 0x923f_82a4, 0xab1c_5ed5],
        [0xd807_aa98, 0x1283_5b01, 0x2431_85be, 0x550c_7dc3], [0x72be_5d74, 0x80de_b1fe, 0x9bdc_06a7, 0xc19b_f174],
        [0xe49b_69c1, 0xefbe_4786, 0x0fc1_9dc6, 0x240c_a1cc], [0x2de9_2c6f, 0x4a74_84aa, 0x5cb0_a9dc, 0x76f9_88da],
        [0x983e_5152, 0xa831_c66d, 0xb003_27c8, 0xbf59_7fc7], [0xc6e0_0bf3, 0xd5a7_9147, 0x06ca_6351, 0x1429_2967],
        [0x27b7_0a85, 0x2e1b_2138, 0x4d2c_6dfc, 0x5338_0d13], [0x650a_7354, 0x766a_0abb, 0x81c2_c92e, 0x9272_2c85],
        [0xa2bf_e8a1, 0xa81a_664b, 0xc24b_8b70, 0xc76c_51a3], [0xd192_e819, 0xd699_0624, 0xf40e_3585, 0x106a_a070],
        [0x19a4_c116, 0x1e37_6c08, 0x2748_774c, 0x34b0_bcb5], [0x391c_0cb3, 0x4ed8_aa4a, 0x5b9c_ca4f, 0x682e_6ff3],
        [0x748f_82ee, 0x78a5_636f, 0x84c8_7814, 0x8cc7_0208], [0x90be_fffa, 0xa450_6ceb, 0xbef9_a3f7, 0xc671_78f2],
    ];

    /// Adds bytes to four states: as many whole blocks as the shortest of the four has.
    pub fn add(states: &mut [[u32; 8]; LANES], bytes: [&[u8]; LANES]) -> Option<()> {
        let known = is_x86_feature_detected!("sha")
            && is_x86_feature_detected!("sse4.1")
            && is_x86_feature_detected!("ssse3")
            && is_x86_feature_detected!("sse2");
        if !known {
            return None;
        }
        // SAFETY: the processor has what the function is compiled for.
        unsafe { add_blocks(states, bytes) };
        Some(())
    }

    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    unsafe fn add_blocks(states: &mut [[u32; 8]; LANES], bytes: [&[u8]; LANES]) {
        let mut blocks = bytes.map(|bytes| bytes.chunks_exact(BLOCK));
        let [mut first, mut second] = [[zero(); LANES]; 2];
        for lane in 0..LANES {
            // SAFETY: as this function's.
            (first[lane], second[lane]) = unsafe { load(&states[lane]) };
        }
        while let [Some(a), Some(b), Some(c), Some(d)] = blocks.each_mut().map(Iterator::next) {
            // SAFETY: as this function's.
            unsafe { add_block(&mut first, &mut second, [a, b, c, d]) };
        }
        for lane in 0..LANES {
            // SAFETY: as this function's.
            states[lane] = unsafe { store(first[lane], second[lane]) };
        }
    }

    /// One block each. The lanes take turns within a round, so that none waits for itself.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    unsafe fn add_block(first: &mut [__m128i; LANES], second: &mut [__m128i; LANES], blocks: [&[u8]; LANES]) {
        let (first_before, second_before) = (*first, *second);
        let mut words = [[zero(); 4]; LANES];
        for (words, block) in words.iter_mut().zip(blocks) {
            for (words, bytes) in words.iter_mut().zip(block.chunks_exact(16)) {
                // SAFETY: 16 bytes are there.
                *words = unsafe { in_order(_mm_loadu_si128(bytes.as_ptr().cast())) };
            }
        }
        for (round, constants) in ROUNDS.iter().enumerate() {
            for lane in 0..LANES {
                let words = &mut words[lane];
                let [now, next, third, last] = [0, 1, 2, 3].map(|ahead| words[(round + ahead) % 4]);
                // SAFETY: the processor has these instructions; the constants are 16 bytes.
                unsafe {
                    let added = _mm_add_epi32(now, _mm_loadu_si128(constants.as_ptr().cast()));
                    second[lane] = _mm_sha256rnds2_epu32(second[lane], first[lane], added);
                    let added = _mm_shuffle_epi32(added, 0x0e);
                    first[lane] = _mm_sha256rnds2_epu32(first[lane], second[lane], added);
                    let mixed = _mm_add_epi32(_mm_sha256msg1_epu32(now, next), _mm_alignr_epi8(last, third, 4));
                    words[round % 4] = _mm_sha256msg2_epu32(mixed, last);
                }
            }
        }
        for lane in 0..LANES {
            // SAFETY: the processor has this instruction.
            unsafe {
                first[lane] = _mm_add_epi32(first[lane], first_before[lane]);
                second[lane] = _mm_add_epi32(second[lane], second_before[lane]);
            }
        }
    }

    /// Four words, of which each has its first byte first in memory.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    unsafe fn in_order(bytes: __m128i) -> __m128i {
        // SAFETY: the processor has these instructions.
        unsafe { _mm_shuffle_epi8(bytes, _mm_set_epi64x(0x0c0d_0e0f_0809_0a0b, 0x0405_0607_0001_0203)) }
    }

    /// A state as the instructions want it: words A, B, E, F, and C, D, G, H, from the highest down.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    unsafe fn load(state: &[u32; 8]) -> (__m128i, __m128i) {
        // SAFETY: eight words are there.
        unsafe {
            let low = _mm_shuffle_epi32(_mm_loadu_si128(state.as_ptr().cast()), 0xb1);
            let high = _mm_shuffle_epi32(_mm_loadu_si128(state.as_ptr().add(4).cast()), 0x1b);
            (_mm_alignr_epi8(low, high, 8), _mm_blend_epi16(high, low, 0xf0))
        }
    }

    /// The way back.
    #[inline]
    #[target_feature(enable = "sha,sse2,ssse3,sse4.1")]
    unsafe fn store(first: __m128i, second: __m128i) -> [u32; 8] {
        let mut state = [0; 8];
        // SAFETY: there is room for eight words.
        unsafe {
            let (low, high) = (_mm_shuffle_epi32(first, 0x1b), _mm_shuffle_epi32(second, 0xb1));
            _mm_storeu_si128(state.as_mut_ptr().cast(), _mm_blend_epi16(low, high, 0xf0));
            _mm_storeu_si128(state.as_mut_ptr().add(4).cast(), _mm_alignr_epi8(high, low, 8));
        }
        state
    }

    fn zero() -> __m128i {
        // SAFETY: every x86-64 processor has the instruction.
        unsafe { _mm_setzero_si128() }
    }
}

#[cfg(not(target_arch = "x86_64"))]
mod processor {
    pub fn add(_: &mut [[u32; 8]; super::LANES], _: [&[u8]; super::LANES]) -> Option<()> {
        None
    }
}
