//! Passing descriptors from PID 1 to the supervisor: of what it serves, and of what it writes to, which are made where
//! they are mounted.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::UnixStream;

use rustix::net::{
    RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags,
    recvmsg, sendmsg,
};

/// Most volumes of a manifest (spec/manifest.md), the folder of its certificate, and its image.
const MOST: usize = 18;

/// Sends them in one message.
///
/// # Errors
/// Those of sendmsg(2).
pub fn send(channel: &UnixStream, descriptors: &[OwnedFd]) -> io::Result<()> {
    let borrowed: Vec<BorrowedFd<'_>> = descriptors.iter().map(AsFd::as_fd).collect();
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = SendAncillaryBuffer::new(&mut room);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&borrowed)) {
        return Err(io::Error::from(io::ErrorKind::InvalidInput));
    }
    sendmsg(channel, &[IoSlice::new(b"D")], &mut ancillary, SendFlags::empty())?;
    Ok(())
}

/// Receives exactly `count` of them.
///
/// # Errors
/// Those of recvmsg(2); `InvalidData` for another message than [`send`]'s.
pub fn receive(channel: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
    let mut room = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MOST))];
    let mut ancillary = RecvAncillaryBuffer::new(&mut room);
    let mut byte = [0];
    let received = recvmsg(
        channel,
        &mut [IoSliceMut::new(&mut byte)],
        &mut ancillary,
        RecvFlags::CMSG_CLOEXEC,
    )?;
    let mut descriptors = Vec::new();
    for message in ancillary.drain() {
        if let RecvAncillaryMessage::ScmRights(rights) = message {
            descriptors.extend(rights);
        }
    }
    if received.bytes == 1 && &byte == b"D" && descriptors.len() == count {
        Ok(descriptors)
    } else {
        Err(io::Error::from(io::ErrorKind::InvalidData))
    }
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};

    use super::*;

    #[test]
    fn descriptors_arrive_and_work() {
        let (one, other) = UnixStream::pair().unwrap();
        let (mut near, far) = UnixStream::pair().unwrap();
        send(&one, &[far.into()]).unwrap();
        let received = receive(&other, 1).unwrap();
        let mut far = UnixStream::from(received.into_iter().next().unwrap());
        near.write_all(b"x").unwrap();
        let mut byte = [0];
        far.read_exact(&mut byte).unwrap();
        assert_eq!(&byte, b"x");
    }

    #[test]
    fn another_number_is_refused() {
        let (one, other) = UnixStream::pair().unwrap();
        let (_near, far) = UnixStream::pair().unwrap();
        send(&one, &[far.into()]).unwrap();
        assert_eq!(receive(&other, 2).unwrap_err().kind(), io::ErrorKind::InvalidData);
        (&one).write_all(b"D").unwrap();
        assert_eq!(receive(&other, 1).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
