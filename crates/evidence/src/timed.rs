//! One question and its answer over a socket, until a moment that no trickle of bytes moves.

use std::borrow::Borrow;
use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType, connect, socket_with};
use zeroize::Zeroizing;

use crate::{Error, frame};

/// A socket that reads and writes until its time is over.
#[derive(Debug)]
pub(crate) struct Timed<S> {
    socket: S,
    time: Duration,
    end: Instant,
}

/// How much came of the answer to a question.
#[derive(Debug, Default)]
pub(crate) struct Came {
    head: [u8; 4],
    bytes: usize,
}

/// Reads, and notes how much came.
pub(crate) struct Noting<'a, R> {
    pub(crate) reader: &'a mut R,
    pub(crate) came: &'a mut Came,
}

impl<S: Borrow<UnixStream>> Timed<S> {
    /// Begins now.
    pub(crate) fn new(socket: S, time: Duration) -> Self {
        let end = Instant::now() + time;
        Self { socket, time, end }
    }

    /// What became of the question: out of time, or what the kernel says.
    pub(crate) fn told(&self, error: io::Error) -> Error {
        match error.kind() {
            ErrorKind::TimedOut | ErrorKind::WouldBlock => Error::Late(self.time),
            _ => Error::Silent(error),
        }
    }

    /// What is left, at least a moment: to the kernel, no time at all means forever.
    fn left(&self) -> io::Result<Option<Duration>> {
        match self.end.checked_duration_since(Instant::now()) {
            Some(left) if !left.is_zero() => Ok(Some(left)),
            _ => Err(ErrorKind::TimedOut.into()),
        }
    }
}

impl Came {
    /// Reads the rest, which nobody wants any more.
    pub(crate) fn skip(&mut self, reader: &mut impl Read) -> io::Result<()> {
        let mut rest = Noting { reader, came: self };
        while let Some(missing) = rest.came.missing()? {
            // It may be a key.
            let mut unwanted = Zeroizing::new([0; 4096]);
            let part = missing.min(unwanted.len());
            rest.read_exact(&mut unwanted[..part])?;
        }
        Ok(())
    }

    /// How many bytes are known to be missing yet; None where all of them came.
    fn missing(&self) -> io::Result<Option<usize>> {
        let head = self.head.len();
        let all = if self.bytes < head {
            head
        } else {
            head + frame::length(self.head)?
        };
        Ok(all.checked_sub(self.bytes).filter(|missing| *missing > 0))
    }
}

impl<R: Read> Read for Noting<'_, R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let count = self.reader.read(buffer)?;
        let head = self.came.head.iter_mut().skip(self.came.bytes);
        head.zip(&buffer[..count]).for_each(|(place, byte)| *place = *byte);
        self.came.bytes += count;
        Ok(count)
    }
}

impl Timed<UnixStream> {
    /// Connects to the socket at `path`, which takes time too where nobody accepts.
    pub(crate) fn connect(path: &Path, time: Duration) -> Result<Self, Error> {
        let socket = socket_with(AddressFamily::UNIX, SocketType::STREAM, SocketFlags::CLOEXEC, None);
        let timed = Self::new(socket.map_err(io::Error::from)?.into(), time);
        let connected = timed.left().and_then(|left| {
            timed.socket.set_write_timeout(left)?;
            Ok(connect(&timed.socket, &SocketAddrUnix::new(path)?)?)
        });
        connected.map_err(|error| timed.told(error))?;
        Ok(timed)
    }

    /// The socket, for whoever asks the next question.
    pub(crate) fn into_socket(self) -> UnixStream {
        self.socket
    }
}

impl<S: Borrow<UnixStream>> Read for Timed<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let mut socket = self.socket.borrow();
        socket.set_read_timeout(self.left()?)?;
        socket.read(buffer)
    }
}

impl<S: Borrow<UnixStream>> Write for Timed<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut socket = self.socket.borrow();
        socket.set_write_timeout(self.left()?)?;
        socket.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
