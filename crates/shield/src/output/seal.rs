//! From what a workload wrote to the lines that a host may hold: spec/output-format.md.

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::hkdf;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use casemate_evidence::bind;
use zeroize::Zeroizing;

/// Purpose and version of a stream's key.
const STREAM_PURPOSE: &[u8] = b"casemate/output/v1";
/// Purpose and version that each tag binds.
const LINE_PURPOSE: &[u8] = b"casemate/output/line/v1";
/// What a line begins with.
const MARK: &str = "casemate-output:v1:";
/// Lengths of plaintexts are multiples of it.
const STEP: usize = 64;
/// Longest plaintext: as a line it fits a pipe's atomic write.
const LARGEST: usize = 46 * STEP;
/// Before the content: its kind and length.
const HEAD: usize = 3;
/// Most bytes of one line's content.
pub const CONTENT: usize = LARGEST - HEAD;
/// Largest number of a line.
const LAST: u64 = (1 << 53) - 1;

/// What a line holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub enum Kind {
    /// What the stream is of.
    Start = 0,
    /// Standard output.
    Output = 1,
    /// Standard error.
    Error = 2,
    /// How it ended.
    End = 3,
}

/// What is sealed belongs to this service of this policy.
#[derive(Clone, Debug)]
pub struct Service {
    /// The policy's genesis.
    pub genesis: [u8; 32],
    /// The service's name.
    pub name: String,
}

/// There is no line: the cipher failed, or the stream has no more numbers.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("output cannot be sealed")]
pub struct NotSealed;

/// Seals one stream. Its key is wiped with it.
#[derive(Debug)]
pub struct Sealer {
    key: LessSafeKey,
    stream: String,
    number: u64,
}

impl Sealer {
    /// Of a stream that has not been there before.
    ///
    /// # Errors
    /// [`NotSealed`].
    pub fn new(key: &[u8; 32], service: &Service) -> Result<Self, NotSealed> {
        let mut stream = [0; 16];
        aws_lc_rs::rand::fill(&mut stream).map_err(|_| NotSealed)?;
        Self::of(key, service, &stream)
    }

    fn of(key: &[u8; 32], service: &Service, stream: &[u8; 16]) -> Result<Self, NotSealed> {
        let mut derived = Zeroizing::new([0; 32]);
        let info = bind(&[STREAM_PURPOSE, &service.genesis, service.name.as_bytes()]);
        let info = [info.as_slice()];
        let extracted = hkdf::Salt::new(hkdf::HKDF_SHA256, stream).extract(key);
        let expanded = extracted.expand(&info, hkdf::HKDF_SHA256);
        let filled = expanded.and_then(|okm| okm.fill(derived.as_mut_slice()));
        filled.map_err(|_| NotSealed)?;
        let key = UnboundKey::new(&AES_256_GCM, derived.as_slice()).map_err(|_| NotSealed)?;
        Ok(Self {
            key: LessSafeKey::new(key),
            stream: URL_SAFE_NO_PAD.encode(stream),
            number: 0,
        })
    }

    /// The stream's next line, its newline with it. `content` has at most [`CONTENT`] bytes.
    ///
    /// # Errors
    /// [`NotSealed`]: then there are no further lines either.
    pub fn line(&mut self, kind: Kind, content: &[u8]) -> Result<Vec<u8>, NotSealed> {
        let length = u16::try_from(content.len()).map_err(|_| NotSealed)?;
        if content.len() > CONTENT || self.number > LAST {
            return Err(NotSealed);
        }
        let mut sealed = Vec::with_capacity(LARGEST + AES_256_GCM.tag_len());
        sealed.push(kind as u8);
        sealed.extend_from_slice(&length.to_be_bytes());
        sealed.extend_from_slice(content);
        sealed.resize(sealed.len().next_multiple_of(STEP), 0);
        let mut nonce = [0; 12];
        nonce[4..].copy_from_slice(&self.number.to_be_bytes());
        let nonce = Nonce::assume_unique_for_key(nonce);
        let line = format!("{MARK}{}:{}:", self.stream, self.number);
        // Before anything can fail: no number is used twice.
        self.number += 1;
        self.key
            .seal_in_place_append_tag(nonce, Aad::from(LINE_PURPOSE), &mut sealed)
            .map_err(|_| NotSealed)?;
        Ok(format!("{line}{}\n", URL_SAFE_NO_PAD.encode(&sealed)).into_bytes())
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;

    use super::*;
    use crate::digests;

    fn service() -> Service {
        Service {
            genesis: [7; 32],
            name: "api".to_owned(),
        }
    }

    #[derive(Deserialize)]
    struct Vectors {
        good: Vec<Stream>,
    }

    #[derive(Deserialize)]
    struct Stream {
        key: String,
        genesis: String,
        service: String,
        stream: String,
        lines: Vec<Line>,
    }

    #[derive(Deserialize)]
    struct Line {
        kind: usize,
        content: String,
        line: String,
    }

    #[test]
    fn lines_are_those_of_the_vectors() {
        let file = include_str!("../../../../spec/vectors/output.json");
        let vectors: Vectors = serde_json::from_str(file).expect("streams of lines");
        let bytes = |text: &str| URL_SAFE_NO_PAD.decode(text).expect("base64url");
        assert!(vectors.good.len() > 2);
        for stream in vectors.good {
            let service = Service {
                genesis: digests::parse(&stream.genesis).expect("a digest"),
                name: stream.service,
            };
            let key = bytes(&stream.key).try_into().expect("a key");
            let name = bytes(&stream.stream).try_into().expect("a stream");
            let mut sealer = Sealer::of(&key, &service, &name).expect("a sealer");
            for line in stream.lines {
                let kinds = [Kind::Start, Kind::Output, Kind::Error, Kind::End];
                let sealed = sealer.line(kinds[line.kind], &bytes(&line.content)).expect("sealed");
                assert_eq!(String::from_utf8(sealed).expect("ASCII"), line.line + "\n");
            }
        }
    }

    #[test]
    fn each_start_is_a_stream_of_its_own() {
        let streams = [0; 2].map(|_| Sealer::new(&[1; 32], &service()).expect("a sealer").stream);
        assert_ne!(streams[0], streams[1]);
    }

    #[test]
    fn the_longest_line_fits_an_atomic_write_and_longer_content_is_refused() {
        let mut sealer = Sealer::new(&[1; 32], &service()).expect("a sealer");
        sealer.number = LAST;
        let line = sealer.line(Kind::Output, &[b'x'; CONTENT]).expect("sealed");
        assert!(line.len() <= 4096, "{}", line.len());
        assert!(sealer.line(Kind::Output, b"x").is_err(), "a number beyond the last");
        sealer.number = 0;
        assert!(sealer.line(Kind::Output, &[b'x'; CONTENT + 1]).is_err());
    }
}
