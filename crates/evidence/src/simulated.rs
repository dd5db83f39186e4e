use std::borrow::Borrow;
use std::fmt::Write as _;
use std::io;
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde::Deserialize;
use serde_json::{Value, json};
use zeroize::{Zeroize, Zeroizing};

use crate::timed::{Came, Noting, Timed};
use crate::{Binding, Error, Evidence, Format, Platform, frame, host_data};

/// How long the agent may take over one question, from first byte to last, and to be reached before it: a report takes
/// it milliseconds, the rest is for a busy machine. Shorter than the 30 s that a custodian gives its shield, which
/// so hears the reason.
const ANSWER_TIME: Duration = Duration::from_secs(20);

/// The simulated platform, through the private socket that its agent made at launch. It protects nothing.
///
/// In a container the socket is one that this process joined by (`simulated-container`), which says even less.
///
/// An answer has 20 seconds, however its bytes come. One that is late is waited for before the next question is asked, out
/// of that one's time, and dropped: answers come in the order of questions. After any other error that is not the
/// agent's own refusal nothing more is asked, as nobody knows what its next answer is to.
#[derive(Debug)]
pub struct SimulatedPlatform {
    socket: UnixStream,
    time: Duration,
    /// The answer to the last question, where it was late.
    owed: Option<Came>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ReportAnswer {
    report: String,
    certificates: String,
    crls: Vec<String>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct KeyAnswer {
    key: String,
}

#[derive(Deserialize)]
#[serde(tag = "event", rename_all = "lowercase", deny_unknown_fields)]
enum JoinAnswer {
    Joined { measurement: String },
    Refused { reason: String },
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Refusal {
    error: String,
}

impl Drop for KeyAnswer {
    fn drop(&mut self) {
        self.key.zeroize();
    }
}

/// Joins the simulated platform from a container, by the socket at `path`, as a domain with this `host_data`; what leads
/// to the platform from then on, as descriptor 3 of a launched domain does, and what it measured.
///
/// # Errors
/// When nobody answers there in time, or the agent refuses.
pub fn join_simulated(path: &Path, host_data: &[u8; 32]) -> Result<(OwnedFd, String), Error> {
    join_within(ANSWER_TIME, path, host_data)
}

fn join_within(time: Duration, path: &Path, host_data: &[u8; 32]) -> Result<(OwnedFd, String), Error> {
    let mut agent = Timed::connect(path, time)?;
    let question = json!({"op": "join", "host_data": hex(host_data)});
    let answer = exchange(&mut agent, &mut None, &question)?;
    match serde_json::from_slice(&answer) {
        Ok(JoinAnswer::Joined { measurement }) => Ok((agent.into_socket().into(), measurement)),
        Ok(JoinAnswer::Refused { reason }) => Err(Error::Refused(reason.replace(char::is_control, " "))),
        Err(_) => Err(Error::Malformed("not the documented fields")),
    }
}

/// `owed` is the answer that is still to come: before this question, and afterwards where there was an error.
fn exchange(
    agent: &mut Timed<impl Borrow<UnixStream>>,
    owed: &mut Option<Came>,
    request: &Value,
) -> Result<Zeroizing<Vec<u8>>, Error> {
    let answer = in_turn(agent, owed, request).map_err(|error| agent.told(error))?;
    answer.ok_or(Error::Malformed("it closed the connection"))
}

fn in_turn(
    agent: &mut Timed<impl Borrow<UnixStream>>,
    owed: &mut Option<Came>,
    request: &Value,
) -> io::Result<Option<Zeroizing<Vec<u8>>>> {
    if let Some(came) = owed {
        came.skip(agent)?;
        *owed = None;
    }
    frame::write(agent, request)?;
    let came = owed.insert(Came::default());
    let answer = frame::read(&mut Noting { reader: agent, came })?;
    *owed = None;
    Ok(answer)
}

impl SimulatedPlatform {
    /// Speaks over `socket`, descriptor 3 of a domain that the agent launched.
    #[must_use]
    pub fn from_fd(socket: OwnedFd) -> Self {
        let socket = socket.into();
        Self {
            socket,
            time: ANSWER_TIME,
            owed: None,
        }
    }

    fn ask<A: for<'a> Deserialize<'a>>(&mut self, request: &Value) -> Result<A, Error> {
        let answer = self.answer(request);
        let goes_on = match &answer {
            Ok(_) | Err(Error::Refused(_)) => true,
            // Else only a part of the question is there.
            Err(Error::Late(_)) => self.owed.is_some(),
            Err(_) => false,
        };
        if !goes_on {
            // Where this fails the connection is gone already.
            let _ = self.socket.shutdown(Shutdown::Both);
        }
        answer
    }

    fn answer<A: for<'a> Deserialize<'a>>(&mut self, request: &Value) -> Result<A, Error> {
        let mut agent = Timed::new(&self.socket, self.time);
        let answer = exchange(&mut agent, &mut self.owed, request)?;
        if let Ok(refusal) = serde_json::from_slice::<Refusal>(&answer) {
            return Err(Error::Refused(refusal.error.replace(char::is_control, " ")));
        }
        serde_json::from_slice(&answer).map_err(|_| Error::Malformed("not the documented fields"))
    }
}

impl Platform for SimulatedPlatform {
    fn evidence(&mut self, report_data: &[u8; 64]) -> Result<Evidence, Error> {
        let answer: ReportAnswer = self.ask(&json!({"op": "report", "report_data": hex(report_data)}))?;
        Ok(Evidence {
            certificates: decode(&answer.certificates)?.to_vec(),
            crls: answer
                .crls
                .iter()
                .map(|crl| Ok(decode(crl)?.to_vec()))
                .collect::<Result<_, Error>>()?,
            ..Evidence::of(Format::SevSnp, decode(&answer.report)?.to_vec())
        })
    }

    fn binding(&self, evidence: &Evidence, manifest: &[u8; 32]) -> Result<Binding, Error> {
        host_data(evidence, manifest)
    }

    fn derive_key(&mut self, context: &[u8]) -> Result<Zeroizing<[u8; 32]>, Error> {
        let answer: KeyAnswer = self.ask(&json!({"op": "derive_key", "context": hex(context)}))?;
        let decoded = decode(&answer.key)?;
        let key = decoded
            .as_slice()
            .try_into()
            .map_err(|_| Error::Malformed("a key that is not 32 bytes"))?;
        Ok(Zeroizing::new(key))
    }
}

fn decode(text: &str) -> Result<Zeroizing<Vec<u8>>, Error> {
    URL_SAFE_NO_PAD
        .decode(text)
        .map(Zeroizing::new)
        .map_err(|_| Error::Malformed("not base64url"))
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    const MOMENT: Duration = Duration::from_millis(200);

    /// A platform whose agent does `agent` with its end of the connection.
    fn hurried(agent: impl FnOnce(UnixStream) + Send + 'static) -> (SimulatedPlatform, thread::JoinHandle<()>) {
        let (socket, theirs) = UnixStream::pair().unwrap();
        let platform = SimulatedPlatform {
            time: MOMENT,
            ..SimulatedPlatform::from_fd(socket.into())
        };
        (platform, thread::spawn(move || agent(theirs)))
    }

    /// Reads until the other side hangs up.
    fn listen(mut socket: UnixStream) {
        let _ = std::io::copy(&mut socket, &mut std::io::sink());
    }

    /// Sends a good answer slowly: all of it takes far longer than a moment, the next byte never does.
    fn dribble(mut socket: UnixStream, answer: &Value) {
        let mut bytes = Vec::new();
        frame::write(&mut bytes, answer).unwrap();
        frame::read(&mut socket).unwrap();
        for byte in bytes {
            if std::io::Write::write_all(&mut socket, &[byte]).is_err() {
                return;
            }
            thread::sleep(MOMENT / 10);
        }
    }

    fn answered(answer: &'static str) -> (SimulatedPlatform, thread::JoinHandle<Vec<u8>>) {
        let (ours, mut theirs) = UnixStream::pair().unwrap();
        let agent = thread::spawn(move || {
            let request = frame::read(&mut theirs).unwrap().unwrap();
            let value: Value = serde_json::from_str(answer).unwrap();
            frame::write(&mut theirs, &value).unwrap();
            request.to_vec()
        });
        (SimulatedPlatform::from_fd(ours.into()), agent)
    }

    #[test]
    fn a_report_is_asked_for_by_its_report_data() {
        let (mut platform, agent) = answered(r#"{"report":"AQI","certificates":"Aw","crls":["BA"]}"#);
        let evidence = platform.evidence(&[0xAB; 64]).unwrap();
        assert_eq!(
            (evidence.report.as_slice(), evidence.certificates.as_slice()),
            (&[1u8, 2][..], &[3u8][..])
        );
        assert_eq!(evidence.crls, [vec![4]]);
        let asked: Value = serde_json::from_slice(&agent.join().unwrap()).unwrap();
        assert_eq!(asked, json!({"op": "report", "report_data": "ab".repeat(64)}));
    }

    #[test]
    fn a_refusal_is_passed_on_in_one_line() {
        let (mut platform, agent) = answered(r#"{"error":"no\nsuch key"}"#);
        let error = platform.derive_key(b"context").unwrap_err();
        assert!(matches!(&error, Error::Refused(why) if why == "no such key"));
        agent.join().unwrap();
    }

    #[test]
    fn a_key_of_another_length_is_not_taken() {
        let (mut platform, agent) = answered(r#"{"key":"AQI"}"#);
        assert!(matches!(platform.derive_key(b"").unwrap_err(), Error::Malformed(_)));
        agent.join().unwrap();
    }

    #[test]
    fn unknown_fields_are_refused() {
        let (mut platform, agent) = answered(r#"{"report":"","certificates":"","crls":[],"more":1}"#);
        assert!(matches!(platform.evidence(&[0; 64]).unwrap_err(), Error::Malformed(_)));
        agent.join().unwrap();
    }

    #[test]
    fn an_agent_that_never_answers_is_not_waited_for() {
        let (mut platform, agent) = hurried(listen);
        let error = platform.evidence(&[0; 64]).unwrap_err();
        assert!(matches!(error, Error::Late(MOMENT)), "{error}");
        drop(platform);
        agent.join().unwrap();
    }

    #[test]
    fn an_agent_that_never_reads_is_not_waited_for() {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (mut platform, agent) = hurried(move |_socket| assert!(held.recv().is_err()));
        // More than the socket's buffer takes.
        let error = platform.derive_key(&[0; 500_000]).unwrap_err();
        assert!(matches!(error, Error::Late(MOMENT)), "{error}");
        drop(hold);
        agent.join().unwrap();
    }

    #[test]
    fn an_answer_that_comes_a_byte_at_a_time_has_no_more_time() {
        let (mut platform, agent) = hurried(|socket| dribble(socket, &json!({"key": "AA".repeat(21) + "A"})));
        let error = platform.derive_key(b"").unwrap_err();
        assert!(matches!(error, Error::Late(MOMENT)), "{error}");
        agent.join().unwrap();
    }

    fn key(of: u8) -> Value {
        json!({"key": URL_SAFE_NO_PAD.encode([of; 32])})
    }

    #[test]
    fn a_late_answer_is_nobodys_and_the_next_question_has_its_own() {
        // As far as the first answer came in time: not at all, the head in part, all of it, the body in part.
        for cut in [0, 3, 4, 20] {
            let (late, is_late) = std::sync::mpsc::channel();
            let (mut platform, agent) = hurried(move |mut socket| {
                frame::read(&mut socket).unwrap();
                let mut bytes = Vec::new();
                frame::write(&mut bytes, &key(1)).unwrap();
                io::Write::write_all(&mut socket, &bytes[..cut]).unwrap();
                is_late.recv().unwrap();
                io::Write::write_all(&mut socket, &bytes[cut..]).unwrap();
                frame::read(&mut socket).unwrap();
                frame::write(&mut socket, &key(2)).unwrap();
            });
            for _again in 0..2 {
                let error = platform.derive_key(b"one").unwrap_err();
                assert!(matches!(error, Error::Late(MOMENT)), "{error}");
            }
            late.send(()).unwrap();
            platform.time = ANSWER_TIME;
            assert_eq!(*platform.derive_key(b"another").unwrap(), [2; 32], "{cut}");
            agent.join().unwrap();
        }
    }

    #[test]
    fn after_an_answer_that_is_none_nothing_is_asked() {
        for bytes in [&b"\0\0\0\x01x"[..], b"\0\x10\0\x01", b"\xff\xff\xff\xff"] {
            let (mut platform, agent) = hurried(move |mut socket| {
                io::Write::write_all(&mut socket, bytes).unwrap();
                listen(socket);
            });
            assert!(platform.derive_key(b"one").is_err());
            let error = platform.derive_key(b"another").unwrap_err();
            assert!(matches!(error, Error::Silent(_)), "{error}");
            agent.join().unwrap();
        }
    }

    #[test]
    fn after_a_part_of_a_question_nothing_is_asked() {
        let (hold, held) = std::sync::mpsc::channel::<()>();
        let (mut platform, agent) = hurried(move |socket| {
            assert!(held.recv().is_err());
            listen(socket);
        });
        assert!(matches!(platform.derive_key(&[0; 500_000]), Err(Error::Late(MOMENT))));
        drop(hold);
        platform.time = ANSWER_TIME;
        let error = platform.derive_key(b"another").unwrap_err();
        assert!(matches!(error, Error::Silent(_)), "{error}");
        agent.join().unwrap();
    }

    #[test]
    fn an_agent_that_lets_nobody_in_is_not_waited_for() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        rustix::net::listen(&listener, 0).unwrap();
        let _first_in_the_queue = UnixStream::connect(&path).unwrap();
        let error = join_within(MOMENT, &path, &[0; 32]).unwrap_err();
        assert!(matches!(error, Error::Late(MOMENT)), "{error}");
    }

    #[test]
    fn an_agent_that_dribbles_is_not_joined() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let joined = json!({"event": "joined", "measurement": "sha384:00"});
        let agent = thread::spawn(move || dribble(listener.accept().unwrap().0, &joined));
        let error = join_within(MOMENT, &path, &[0; 32]).unwrap_err();
        assert!(matches!(error, Error::Late(MOMENT)), "{error}");
        agent.join().unwrap();
    }

    #[test]
    fn a_process_joins_with_its_host_data_and_hears_a_refusal() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("platform.sock");
        let listener = std::os::unix::net::UnixListener::bind(&path).unwrap();
        let agent = thread::spawn(move || {
            let answers = [
                json!({"event": "joined", "measurement": "sha384:00"}),
                json!({"event": "refused", "reason": "no\nmore"}),
                json!({"event": "started", "pid": 1}),
            ];
            for answer in answers {
                let (mut socket, _) = listener.accept().unwrap();
                let asked: Value = serde_json::from_slice(&frame::read(&mut socket).unwrap().unwrap()).unwrap();
                assert_eq!(asked, json!({"op": "join", "host_data": "ab".repeat(32)}));
                frame::write(&mut socket, &answer).unwrap();
            }
        });
        assert_eq!(join_simulated(&path, &[0xAB; 32]).unwrap().1, "sha384:00");
        let refused = join_simulated(&path, &[0xAB; 32]).unwrap_err();
        assert!(matches!(&refused, Error::Refused(why) if why == "no more"));
        assert!(matches!(join_simulated(&path, &[0xAB; 32]), Err(Error::Malformed(_))));
        agent.join().unwrap();
        assert!(matches!(join_simulated(&path, &[0xAB; 32]), Err(Error::Silent(_))));
    }
}
