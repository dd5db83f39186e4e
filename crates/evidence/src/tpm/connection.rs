//! Commands to a TPM and its answers, through a device of the kernel or a socket.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::Duration;

use super::wire::{Reader, Writer};
use crate::Error;

/// TPM_ST_NO_SESSIONS and TPM_ST_SESSIONS (part 2, "TPM_ST").
const NO_SESSIONS: u16 = 0x8001;
const SESSIONS: u16 = 0x8002;
/// TPM_RS_PW: the authorization is a password (part 2, "TPM_RH"); that of everything here is empty.
const PASSWORD: u32 = 0x4000_0009;
/// Largest answer (the kernel's TPM_BUFSIZE), and what comes before its body: tag, size, response code.
const MAX_ANSWER: usize = 4096;
const HEADER: usize = 10;
/// How long one command may take. Making a key on slow hardware takes seconds.
const COMMAND_TIME: Duration = Duration::from_secs(60);
/// Codes of a TPM that asks for the command once more: TPM_RC_YIELDED, TPM_RC_TESTING, TPM_RC_RETRY; and how often.
const BUSY: [u32; 3] = [0x908, 0x90A, 0x922];
const TRIES: u32 = 40;
const PAUSE: Duration = Duration::from_millis(50);

/// What takes one command and gives its answer.
pub trait Transport: fmt::Debug + Send {
    /// Sends `command` and waits for the answer: its bytes, whatever they are.
    ///
    /// # Errors
    /// Where nothing answers.
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, Error>;
}

/// A file that takes commands: a device of the kernel, or the socket of a TPM in software.
#[derive(Debug)]
pub(super) struct Opened<F> {
    file: F,
    path: PathBuf,
}

/// Opens the device or socket at `path`.
pub(super) fn open(path: &Path) -> Result<Box<dyn Transport>, Error> {
    let kind = std::fs::metadata(path).map_err(Error::at(path))?.file_type();
    let path = path.to_owned();
    if kind.is_socket() {
        let file = UnixStream::connect(&path).map_err(Error::at(&path))?;
        file.set_read_timeout(Some(COMMAND_TIME)).map_err(Error::at(&path))?;
        file.set_write_timeout(Some(COMMAND_TIME)).map_err(Error::at(&path))?;
        Ok(Box::new(Opened { file, path }))
    } else if kind.is_char_device() {
        let file: File = OpenOptions::new()
            .read(true)
            .write(true)
            .open(&path)
            .map_err(Error::at(&path))?;
        Ok(Box::new(Opened { file, path }))
    } else {
        Err(Error::at(&path)(std::io::Error::other("neither a device nor a socket")))
    }
}

impl<F: Read + Write + fmt::Debug + Send> Transport for Opened<F> {
    fn exchange(&mut self, command: &[u8]) -> Result<Vec<u8>, Error> {
        self.file.write_all(command).map_err(Error::at(&self.path))?;
        let mut answer = Vec::with_capacity(MAX_ANSWER);
        let mut buffer = [0; MAX_ANSWER];
        // A device gives an answer in one piece, a socket in any.
        while answer.len() < wanted(&answer) {
            match self.file.read(&mut buffer).map_err(Error::at(&self.path))? {
                0 => return Err(Error::Malformed("an answer of a TPM that ends early")),
                count => answer.extend_from_slice(&buffer[..count]),
            }
        }
        Ok(answer)
    }
}

/// How many bytes an answer has that begins like this, as far as that is known.
fn wanted(answer: &[u8]) -> usize {
    match answer.get(2..6) {
        Some(&[a, b, c, d]) => {
            let size = u32::from_be_bytes([a, b, c, d]);
            usize::try_from(size).unwrap_or(MAX_ANSWER).clamp(HEADER, MAX_ANSWER)
        }
        _ => HEADER,
    }
}

/// A command and what goes with it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Command {
    /// For people.
    pub name: &'static str,
    /// TPM_CC.
    pub code: u32,
    /// Handles in the answer, before its parameters.
    pub handles_back: usize,
}

/// A TPM that can be asked.
#[derive(Debug)]
pub(super) struct Connection(pub Box<dyn Transport>);

impl Connection {
    /// The parameters that a command answers with, after its handles. `authorized` gives the empty password for the first
    /// handle. Errors: [`Refusal`] inside [`Failure`], so that callers can tell what is not there from what is wrong.
    pub fn ask(
        &mut self,
        command: Command,
        handles: &[u32],
        authorized: bool,
        parameters: &[u8],
    ) -> Result<Answer, Failure> {
        let bytes = marshalled(command.code, handles, authorized, parameters);
        for _ in 0..TRIES {
            let answer = self.0.exchange(&bytes)?;
            let mut reader = Reader(&answer);
            let (tag, size, code) = (reader.u16()?, reader.u32()?, reader.u32()?);
            if usize::try_from(size) != Ok(answer.len()) {
                return Err(Error::Malformed("an answer of a TPM with another size than it says").into());
            }
            match code {
                0 => return unmarshalled(reader, tag == SESSIONS, command.handles_back).map_err(Failure::Broken),
                code if BUSY.contains(&code) => thread::sleep(PAUSE),
                code => return Err(Failure::Refused(Refusal { command, code })),
            }
        }
        Err(Error::Disturbed("a TPM that has no time").into())
    }
}

/// Handles and parameters of an answer.
#[derive(Clone, Debug, Default)]
pub(super) struct Answer {
    pub handles: Vec<u32>,
    pub parameters: Vec<u8>,
}

fn marshalled(code: u32, handles: &[u32], authorized: bool, parameters: &[u8]) -> Vec<u8> {
    let mut body = handles.iter().fold(Writer::default(), |body, handle| body.u32(*handle));
    if authorized {
        let session = Writer::default().u32(PASSWORD).sized(&[]).u8(0).sized(&[]).0;
        body = body
            .u32(u32::try_from(session.len()).unwrap_or(u32::MAX))
            .bytes(&session);
    }
    let body = body.bytes(parameters).0;
    let size = u32::try_from(HEADER + body.len()).unwrap_or(u32::MAX);
    let tag = if authorized { SESSIONS } else { NO_SESSIONS };
    Writer::default().u16(tag).u32(size).u32(code).bytes(&body).0
}

fn unmarshalled(mut reader: Reader<'_>, with_sessions: bool, handles: usize) -> Result<Answer, Error> {
    let handles = (0..handles).map(|_| reader.u32()).collect::<Result<_, _>>()?;
    // With sessions the size of the parameters comes before them, and the sessions after.
    let parameters = if with_sessions {
        let size = reader.u32()?;
        reader.take(usize::try_from(size).unwrap_or(usize::MAX))?
    } else {
        reader.0
    };
    Ok(Answer {
        handles,
        parameters: parameters.to_vec(),
    })
}

/// A response code other than success.
#[derive(Clone, Copy, Debug)]
pub(super) struct Refusal {
    command: Command,
    code: u32,
}

impl Refusal {
    /// TPM_RC_HANDLE: there is nothing under a handle that was named (part 2, "TPM_RC", format one).
    pub fn is_of_a_handle(self) -> bool {
        self.code & 0x0FF == 0x08B
    }

    fn meaning(self) -> &'static str {
        match self.code {
            0x100 => "it was not started up",
            0x101 => "it is in failure mode",
            0x902 | 0x903 => "it has no room: something else left keys or sessions in it",
            0x921 => "it is locked after wrong passwords",
            _ if self.is_of_a_handle() => "there is nothing under this handle",
            _ if self.code & 0x0BF == 0x08E || self.code & 0x0BF == 0x0A2 => {
                "it asks for a password: clear that of the endorsement hierarchy"
            }
            _ => "see TPM_RC in part 2 of the TPM 2.0 Library",
        }
    }
}

/// Why a command has no answer.
#[derive(Debug)]
pub(super) enum Failure {
    Refused(Refusal),
    Broken(Error),
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self::Broken(error)
    }
}

impl From<Failure> for Error {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::Broken(error) => error,
            Failure::Refused(refusal) => Self::Refused(format!(
                "{} with code {:#05x}: {}",
                refusal.command.name,
                refusal.code,
                refusal.meaning()
            )),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_has_its_size_and_its_empty_password() {
        let plain = marshalled(0x17E, &[], false, &[1, 2]);
        assert_eq!(plain, [0x80, 1, 0, 0, 0, 12, 0, 0, 1, 0x7E, 1, 2]);
        let authorized = marshalled(0x182, &[15], true, &[7]);
        let expected = [
            0x80, 2, 0, 0, 0, 28, 0, 0, 1, 0x82, 0, 0, 0, 15, 0, 0, 0, 9, 0x40, 0, 0, 9, 0, 0, 0, 0, 0, 7,
        ];
        assert_eq!(authorized, expected);
    }

    #[test]
    fn an_answer_is_read_to_the_size_that_it_says() {
        assert_eq!(wanted(&[]), HEADER);
        assert_eq!(wanted(&[0x80, 1, 0, 0, 0, 14]), 14);
        assert_eq!(wanted(&[0x80, 1, 0, 0, 0, 2]), HEADER);
        assert_eq!(wanted(&[0x80, 1, 0xFF, 0xFF, 0xFF, 0xFF]), MAX_ANSWER);
    }

    #[test]
    fn refusals_say_what_they_mean() {
        let command = Command {
            name: "TPM2_Quote",
            code: 0x158,
            handles_back: 0,
        };
        let said = |code| Error::from(Failure::Refused(Refusal { command, code })).to_string();
        assert_eq!(
            said(0x18B),
            "the platform refused: TPM2_Quote with code 0x18b: there is nothing under this handle"
        );
        assert!(said(0x98E).contains("asks for a password") && said(0x9A2).contains("asks for a password"));
        assert!(said(0x100).contains("not started up"));
    }
}
