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

use crate::manifest::Manifest;

/// Most volumes of a manifest (spec/manifest.md), the folder of its certificate, and its image.
const MOST: usize = 18;

/// What the supervisor serves, and writes to.
#[derive(Debug, Default)]
pub struct Devices {
    /// Of the sealed volumes, in the manifest's order.
    pub volumes: Vec<OwnedFd>,
    /// The folder of the certificate.
    pub certificate: Option<OwnedFd>,
    /// Of the image.
    pub image: Option<OwnedFd>,
}

impl Devices {
    /// Sends them, unless there are none.
    ///
    /// # Errors
    /// Those of sendmsg(2).
    pub fn send(self, channel: &UnixStream) -> io::Result<()> {
        let all: Vec<OwnedFd> = self
            .volumes
            .into_iter()
            .chain(self.certificate)
            .chain(self.image)
            .collect();
        if all.is_empty() { Ok(()) } else { send(channel, &all) }
    }

    /// Receives those of a manifest, unless it has none.
    ///
    /// # Errors
    /// Those of recvmsg(2); `InvalidData` for others.
    pub fn receive(channel: &UnixStream, manifest: &Manifest) -> io::Result<Self> {
        let (volumes, certificate) = (manifest.volumes.len(), manifest.ra_tls.iter().len());
        let mut all = match volumes + certificate + manifest.image.iter().len() {
            0 => return Ok(Self::default()),
            count => receive(channel, count)?.into_iter(),
        };
        Ok(Self {
            volumes: all.by_ref().take(volumes).collect(),
            certificate: all.by_ref().take(certificate).next(),
            image: all.next(),
        })
    }
}

/// Sends them in one message.
fn send(channel: &UnixStream, descriptors: &[OwnedFd]) -> io::Result<()> {
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
fn receive(channel: &UnixStream, count: usize) -> io::Result<Vec<OwnedFd>> {
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
    fn each_arrives_as_what_it_is() {
        let digest = format!("sha256:{}", "0".repeat(64));
        let manifest = serde_json::json!({
            "casemate_manifest": 1, "role": "workload", "custodian": digest, "root": [], "writable": [], "mounts": [],
            "policy": {"name": "acme/records", "genesis": digest, "service": "api"}, "files": [], "arguments": [],
            "volumes": [{"path": "/a"}, {"path": "/b"}], "ra_tls": {"path": "/run/tls", "lifetime": 60},
            "image": {"layers": [digest], "protection": "encrypted"}, "entrypoint": ["/bin/x"], "environment": {},
            "holes": {}, "working_directory": "/"});
        let mut manifest = Manifest::parse(manifest.to_string().as_bytes()).unwrap();
        for has in [true, false] {
            if !has {
                (manifest.ra_tls, manifest.image) = (None, None);
            }
            let (one, other) = UnixStream::pair().unwrap();
            let (mut near, far): (Vec<UnixStream>, Vec<UnixStream>) =
                (0..4).map(|_| UnixStream::pair().unwrap()).unzip();
            let mut far = far.into_iter().map(OwnedFd::from);
            let sent = Devices {
                volumes: far.by_ref().take(2).collect(),
                certificate: far.next().filter(|_| has),
                image: far.next().filter(|_| has),
            };
            sent.send(&one).unwrap();
            let got = Devices::receive(&other, &manifest).unwrap();
            let got = got.volumes.into_iter().chain(got.certificate).chain(got.image);
            for (number, descriptor) in (0..).zip(got) {
                UnixStream::from(descriptor).write_all(&[number]).unwrap();
            }
            for (number, near) in near.iter_mut().enumerate().take(if has { 4 } else { 2 }) {
                let mut byte = [9];
                near.read_exact(&mut byte).unwrap();
                assert_eq!(usize::from(byte[0]), number);
            }
        }
        (manifest.volumes, manifest.ra_tls, manifest.image) = (Vec::new(), None, None);
        let (one, other) = UnixStream::pair().unwrap();
        Devices::default().send(&one).unwrap();
        assert!(Devices::receive(&other, &manifest).unwrap().volumes.is_empty());
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
