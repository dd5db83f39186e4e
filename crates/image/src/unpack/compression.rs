//! How an archive is compressed, by its first bytes: what a registry says of it can be wrong.

use std::io::{self, BufReader, Read};

use flate2::bufread::MultiGzDecoder;
use ruzstd::decoding::StreamingDecoder;

use super::ahead::fill;

const GZIP: &[u8] = &[0x1f, 0x8b];
const ZSTD: &[u8] = &[0x28, 0xb5, 0x2f, 0xfd];
/// Bytes that are read at once.
const BUFFER: usize = 256 * 1024;

/// An archive.
pub struct Opened<'a> {
    /// Not compressed any more.
    pub archive: Box<dyn Read + Send + 'a>,
    /// It never was: its bytes are those of the file.
    pub is_plain: bool,
}

/// Opens an archive. One that is not compressed should be read much at a time.
pub fn open<'a>(mut from: impl Read + Send + 'a) -> io::Result<Opened<'a>> {
    // As much as is read at once later on: what follows is read from where the kernel copies fastest.
    let mut first = vec![0; BUFFER];
    let length = fill(&mut from, &mut first)?;
    first.truncate(length);
    let (is_gzip, is_zstd) = (first.starts_with(GZIP), first.starts_with(ZSTD));
    let whole = io::Cursor::new(first).chain(from);
    let buffered = |whole| BufReader::with_capacity(BUFFER, whole);
    let archive: Box<dyn Read + Send + 'a> = if is_gzip {
        Box::new(BufReader::with_capacity(BUFFER, MultiGzDecoder::new(buffered(whole))))
    } else if is_zstd {
        let decoder = StreamingDecoder::new(buffered(whole)).map_err(io::Error::other)?;
        Box::new(BufReader::with_capacity(BUFFER, decoder))
    } else {
        Box::new(whole)
    };
    Ok(Opened {
        archive,
        is_plain: !is_gzip && !is_zstd,
    })
}
