//! What the supervisor and PID 1 tell each other, over a socket pair between the two.
//!
//! PID 1 is forked before the supervisor knows a secret, so everything that the workload gets comes this way,
//! in one message, and nothing else of the supervisor's memory does.

use std::ffi::CString;
use std::io::{self, Read, Write};

use zeroize::{Zeroize, Zeroizing};

use crate::certificate::Pair;
use crate::failure::{Exit, Failure};
use crate::root::PlacedFile;

/// Most bytes of one message: a configuration is smaller than the answer that carried it, at most 24 MiB.
const MAX_MESSAGE_BYTES: usize = 32 * 1024 * 1024;
/// Most bytes of a cause in a report.
const MAX_CAUSE_BYTES: usize = 4096;

/// What PID 1 needs to start the workload.
pub struct Start {
    /// Program and arguments.
    pub arguments: Vec<Zeroizing<CString>>,
    /// `NAME=value`.
    pub environment: Vec<Zeroizing<CString>>,
    /// Files of the policy.
    pub files: Vec<PlacedFile>,
    /// Where the manifest has a place for one.
    pub certificate: Option<Pair>,
    /// Whom the workload runs as.
    pub uid: u32,
    /// Its group.
    pub gid: u32,
    /// Whether what it writes goes to the supervisor, which seals it, instead of straight to the host.
    pub sealed_output: bool,
}

/// What PID 1 reports. Times are nanoseconds of CLOCK_MONOTONIC.
#[derive(Debug)]
pub enum Report {
    /// The private root stands.
    Built(u64),
    /// The workload runs.
    Executed(u64),
    /// It will not.
    Failed(Failure),
}

impl Start {
    /// Sends it.
    ///
    /// # Errors
    /// Those of the socket; `InvalidData` when it is too large.
    pub fn send(&self, channel: &mut impl Write) -> io::Result<()> {
        let mut body = Body::with_capacity(self.encoded_bytes());
        body.number(self.uid);
        body.number(self.gid);
        body.number(u32::from(self.sealed_output));
        for list in [&self.arguments, &self.environment] {
            body.count(list.len())?;
            list.iter().try_for_each(|text| body.bytes(text.as_bytes()))?;
        }
        body.count(self.files.len())?;
        for file in &self.files {
            body.bytes(file.path.as_bytes())?;
            body.number(file.mode);
            body.bytes(&file.content)?;
        }
        body.count(self.certificate.iter().len())?;
        if let Some(pair) = &self.certificate {
            body.bytes(&pair.key)?;
            body.bytes(&pair.certificate)?;
        }
        send(channel, &body.0)
    }

    /// Receives it; `None` when the supervisor ended instead.
    ///
    /// # Errors
    /// Those of the socket; `InvalidData` for anything that `send` would not send.
    pub fn receive(channel: &mut impl Read) -> io::Result<Option<Self>> {
        let Some(message) = receive(channel)? else {
            return Ok(None);
        };
        let mut rest = Rest(&message);
        let (uid, gid) = (rest.number()?, rest.number()?);
        let sealed_output = match rest.number()? {
            0 => false,
            1 => true,
            _ => return Err(malformed()),
        };
        let arguments = rest.texts()?;
        let environment = rest.texts()?;
        let count = rest.number()?;
        let files = (0..count).map(|_| rest.file()).collect::<io::Result<_>>()?;
        let certificate = match rest.number()? {
            0 => None,
            1 => Some(rest.pair()?),
            _ => return Err(malformed()),
        };
        Ok(Some(Self {
            arguments,
            environment,
            files,
            certificate,
            uid,
            gid,
            sealed_output,
        }))
    }

    /// Room for the whole message, so that it never moves and leaves no copy behind.
    fn encoded_bytes(&self) -> usize {
        let texts = self
            .arguments
            .iter()
            .chain(&self.environment)
            .map(|text| 4 + text.as_bytes().len());
        let files = self.files.iter().map(|file| 12 + file.path.len() + file.content.len());
        let pairs = self.certificate.iter();
        let pairs = pairs.map(|pair| 8 + pair.key.len() + pair.certificate.len());
        28 + texts.sum::<usize>() + files.sum::<usize>() + pairs.sum::<usize>()
    }

    /// Wipes every text and file.
    pub fn wipe(&mut self) {
        self.arguments
            .iter_mut()
            .chain(&mut self.environment)
            .for_each(|text| text.zeroize());
        self.files.iter_mut().for_each(|file| file.content.zeroize());
        self.certificate.iter_mut().for_each(|pair| pair.key.zeroize());
    }
}

impl Report {
    /// Sends it.
    ///
    /// # Errors
    /// Those of the socket.
    pub fn send(&self, channel: &mut impl Write) -> io::Result<()> {
        let message = match self {
            Self::Built(time) => [&b"B"[..], &time.to_be_bytes()].concat(),
            Self::Executed(time) => [&b"X"[..], &time.to_be_bytes()].concat(),
            Self::Failed(failure) => {
                let cause = &failure.cause.as_bytes()[..failure.cause.len().min(MAX_CAUSE_BYTES)];
                let has_cure = u8::from(!failure.cure.is_empty());
                [b"F", &[failure.exit as u8, has_cure][..], cause].concat()
            }
        };
        send(channel, &message)
    }

    /// Receives the next one; `None` when PID 1 ended instead.
    ///
    /// # Errors
    /// Those of the socket; `InvalidData` for anything that `send` would not send.
    pub fn receive(channel: &mut impl Read) -> io::Result<Option<Self>> {
        let Some(message) = receive(channel)? else {
            return Ok(None);
        };
        match message.split_first() {
            Some((b'B', time)) => Ok(Some(Self::Built(time_of(time)?))),
            Some((b'X', time)) => Ok(Some(Self::Executed(time_of(time)?))),
            Some((b'F', [status, has_cure, cause @ ..])) => {
                let exit = Exit::from_status(*status).ok_or_else(malformed)?;
                let made = [Failure::with_its_own_cure, Failure::new][usize::from(*has_cure != 0)];
                Ok(Some(Self::Failed(made(exit, String::from_utf8_lossy(cause)))))
            }
            _ => Err(malformed()),
        }
    }
}

fn time_of(bytes: &[u8]) -> io::Result<u64> {
    bytes.try_into().map(u64::from_be_bytes).map_err(|_| malformed())
}

fn send(channel: &mut impl Write, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len())
        .ok()
        .filter(|_| message.len() <= MAX_MESSAGE_BYTES);
    channel.write_all(&length.ok_or_else(malformed)?.to_be_bytes())?;
    channel.write_all(message)
}

fn receive(channel: &mut impl Read) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    let mut length = [0; 4];
    match channel.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        outcome => outcome?,
    }
    let length = usize::try_from(u32::from_be_bytes(length)).map_err(io::Error::other)?;
    if length > MAX_MESSAGE_BYTES {
        return Err(malformed());
    }
    let mut message = Zeroizing::new(vec![0; length]);
    channel.read_exact(&mut message)?;
    Ok(Some(message))
}

struct Body(Zeroizing<Vec<u8>>);

impl Body {
    fn with_capacity(bytes: usize) -> Self {
        Self(Zeroizing::new(Vec::with_capacity(bytes)))
    }

    fn number(&mut self, number: u32) {
        self.0.extend_from_slice(&number.to_be_bytes());
    }

    fn count(&mut self, count: usize) -> io::Result<()> {
        self.number(u32::try_from(count).map_err(|_| malformed())?);
        Ok(())
    }

    fn bytes(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.count(bytes.len())?;
        self.0.extend_from_slice(bytes);
        Ok(())
    }
}

struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    fn number(&mut self) -> io::Result<u32> {
        let (number, rest) = self.0.split_first_chunk::<4>().ok_or_else(malformed)?;
        self.0 = rest;
        Ok(u32::from_be_bytes(*number))
    }

    fn bytes(&mut self) -> io::Result<&'a [u8]> {
        let length = usize::try_from(self.number()?).map_err(|_| malformed())?;
        let (bytes, rest) = self.0.split_at_checked(length).ok_or_else(malformed)?;
        self.0 = rest;
        Ok(bytes)
    }

    fn texts(&mut self) -> io::Result<Vec<Zeroizing<CString>>> {
        let count = self.number()?;
        let text = |_| Ok(Zeroizing::new(CString::new(self.bytes()?).map_err(|_| malformed())?));
        (0..count).map(text).collect()
    }

    fn pair(&mut self) -> io::Result<Pair> {
        Ok(Pair {
            key: Zeroizing::new(self.bytes()?.to_vec()),
            certificate: self.bytes()?.to_vec(),
        })
    }

    fn file(&mut self) -> io::Result<PlacedFile> {
        let path = String::from_utf8(self.bytes()?.to_vec()).map_err(|_| malformed())?;
        Ok(PlacedFile {
            path,
            mode: self.number()?,
            content: Zeroizing::new(self.bytes()?.to_vec()),
        })
    }
}

fn malformed() -> io::Error {
    io::ErrorKind::InvalidData.into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn start() -> Start {
        let text = |t: &str| Zeroizing::new(CString::new(t).expect("no NUL"));
        Start {
            arguments: vec![text("/bin/x"), text("")],
            environment: vec![text("A=b")],
            files: vec![PlacedFile {
                path: "/run/k".into(),
                mode: 0o400,
                content: Zeroizing::new(vec![0, 1, 2]),
            }],
            certificate: Some(Pair {
                key: Zeroizing::new(b"key".to_vec()),
                certificate: b"certificate".to_vec(),
            }),
            uid: 7,
            gid: 8,
            sealed_output: true,
        }
    }

    #[test]
    fn a_start_arrives_as_it_was_sent() {
        let mut wire = Vec::new();
        start().send(&mut wire).expect("sent");
        let got = Start::receive(&mut wire.as_slice()).expect("read").expect("there");
        assert_eq!((got.uid, got.gid, got.sealed_output), (7, 8, true));
        assert_eq!(got.arguments, start().arguments);
        assert_eq!(got.environment, start().environment);
        assert_eq!(got.files[0].path, "/run/k");
        assert_eq!(*got.files[0].content, [0, 1, 2]);
        assert!(got.certificate == start().certificate);
    }

    #[test]
    fn what_is_wiped_holds_no_secret() {
        let mut start = start();
        start.wipe();
        assert!(start.certificate.is_some_and(|pair| pair.key.is_empty()));
        assert!(start.files.iter().all(|file| file.content.is_empty()));
        assert!(
            start
                .environment
                .iter()
                .all(|text| text.as_bytes().iter().all(|byte| *byte == 0))
        );
    }

    #[test]
    fn the_message_never_outgrows_the_room_made_for_it() {
        let mut wire = Vec::new();
        start().send(&mut wire).expect("sent");
        assert_eq!(wire.len() - 4, start().encoded_bytes());
    }

    #[test]
    fn a_truncated_start_is_an_error_and_none_at_all_is_none() {
        let mut wire = Vec::new();
        start().send(&mut wire).expect("sent");
        for length in 4..wire.len() {
            assert!(Start::receive(&mut &wire[..length]).is_err(), "{length}");
        }
        assert!(Start::receive(&mut &[][..]).expect("end").is_none());
    }

    #[test]
    fn reports_arrive_with_reason_and_cause() {
        let mut wire = Vec::new();
        Report::Failed(Failure::new(Exit::Measurement, "libc differs"))
            .send(&mut wire)
            .expect("sent");
        let got = Report::receive(&mut wire.as_slice()).expect("read").expect("there");
        assert!(matches!(got, Report::Failed(f) if f.exit == Exit::Measurement && f.cause == "libc differs"));
    }

    #[test]
    fn a_report_that_says_itself_what_to_do_keeps_its_words() {
        for failure in [
            Failure::with_its_own_cure(Exit::Confinement, "too small: give it more memory"),
            Failure::new(Exit::Confinement, "no namespaces"),
        ] {
            let mut wire = Vec::new();
            Report::Failed(failure.clone()).send(&mut wire).expect("sent");
            let got = Report::receive(&mut wire.as_slice()).expect("read").expect("there");
            assert!(matches!(got, Report::Failed(f) if f.to_string() == failure.to_string()));
        }
    }
}
