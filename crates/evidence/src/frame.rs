//! Frames: a 4-byte big-endian length and that many bytes of JSON.

use std::io::{Error, ErrorKind, Read, Result, Write};

use serde_json::Value;
use zeroize::Zeroizing;

/// Largest frame. Evidence has a few KiB; the rest is room for certificate chains.
pub const MAX_BYTES: usize = 1024 * 1024;

/// The next frame, or `None` where the other side closed between two. The bytes are wiped when dropped: some frames
/// carry keys.
///
/// # Errors
/// From the reader; [`ErrorKind::InvalidData`] for a frame over [`MAX_BYTES`]; [`ErrorKind::UnexpectedEof`] inside one.
pub fn read(reader: &mut dyn Read) -> Result<Option<Zeroizing<Vec<u8>>>> {
    let mut head = [0; 4];
    if reader.read(&mut head[..1])? == 0 {
        return Ok(None);
    }
    reader.read_exact(&mut head[1..])?;
    let mut body = Zeroizing::new(vec![0; length(head)?]);
    reader.read_exact(&mut body)?;
    Ok(Some(body))
}

/// Of the body, as the head says.
pub(crate) fn length(head: [u8; 4]) -> Result<usize> {
    let length = usize::try_from(u32::from_be_bytes(head)).unwrap_or(usize::MAX);
    if length > MAX_BYTES {
        return Err(Error::new(ErrorKind::InvalidData, "a frame is too large"));
    }
    Ok(length)
}

/// Writes one frame.
///
/// # Errors
/// From the writer; [`ErrorKind::InvalidData`] for a value over [`MAX_BYTES`].
pub fn write(writer: &mut dyn Write, value: &Value) -> Result<()> {
    let body = Zeroizing::new(serde_json::to_vec(value)?);
    let length = u32::try_from(body.len()).ok().filter(|_| body.len() <= MAX_BYTES);
    let length = length.ok_or_else(|| Error::new(ErrorKind::InvalidData, "a frame is too large"))?;
    let mut frame = Zeroizing::new(Vec::with_capacity(body.len() + 4));
    frame.extend_from_slice(&length.to_be_bytes());
    frame.extend_from_slice(&body);
    writer.write_all(&frame)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    #[test]
    fn what_is_written_is_read_back() {
        let mut bytes = Vec::new();
        write(&mut bytes, &json!({"op": "report"})).unwrap();
        let mut reader = bytes.as_slice();
        assert_eq!(read(&mut reader).unwrap().unwrap().as_slice(), br#"{"op":"report"}"#);
        assert!(read(&mut reader).unwrap().is_none());
    }

    #[test]
    fn a_frame_at_the_limit_is_read_and_one_over_it_refused() {
        let mut bytes = u32::try_from(MAX_BYTES).unwrap().to_be_bytes().to_vec();
        bytes.resize(4 + MAX_BYTES, b' ');
        assert_eq!(read(&mut bytes.as_slice()).unwrap().unwrap().len(), MAX_BYTES);
        let over = u32::try_from(MAX_BYTES + 1).unwrap().to_be_bytes();
        assert_eq!(read(&mut over.as_slice()).unwrap_err().kind(), ErrorKind::InvalidData);
        let value = Value::String("x".repeat(MAX_BYTES));
        assert_eq!(
            write(&mut Vec::new(), &value).unwrap_err().kind(),
            ErrorKind::InvalidData
        );
    }

    #[test]
    fn a_frame_that_ends_early_is_an_error() {
        assert_eq!(
            read(&mut [0u8, 0, 0, 2, b'{'].as_slice()).unwrap_err().kind(),
            ErrorKind::UnexpectedEof
        );
        assert_eq!(
            read(&mut [0u8, 0].as_slice()).unwrap_err().kind(),
            ErrorKind::UnexpectedEof
        );
    }

    proptest! {
        #[test]
        fn any_bytes_give_frames_or_an_error(bytes in proptest::collection::vec(any::<u8>(), 0..64)) {
            let mut reader = bytes.as_slice();
            while let Ok(Some(_)) = read(&mut reader) {}
        }
    }
}
