//! One exchange with one address, over a connection that is kept.

use std::net::SocketAddr;
use std::time::Duration;

use ureq::Agent;
use ureq::config::Config;
use ureq::http::Uri;
use ureq::unversioned::resolver::{ResolvedSocketAddrs, Resolver};
use ureq::unversioned::transport::{DefaultConnector, NextTimeout};

use crate::Error;
use crate::signature::{AnswerHeaders, SignedRequest};

/// How long an answer is waited for, and how much of it is read.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// Longest wait for a connection.
    pub connect: Duration,
    /// Longest exchange, from the name to the last byte of the body, however slowly it comes.
    pub whole: Duration,
    /// Most bytes of status line and headers.
    pub head: usize,
    /// Most bytes of a body: configurations hold files.
    pub body: u64,
}

impl Limits {
    /// Those of the protocol.
    pub const PROTOCOL: Self = Self {
        connect: Duration::from_secs(2),
        whole: Duration::from_secs(10),
        head: 64 * 1024,
        body: 8 * 1024 * 1024,
    };
}

/// An answer that nobody has verified yet.
#[derive(Debug)]
pub struct Raw {
    pub status: u16,
    pub headers: AnswerHeaders,
    pub body: Vec<u8>,
}

/// Addresses of one custodian.
#[derive(Debug)]
pub struct Line {
    agent: Agent,
    addresses: Vec<String>,
    limits: Limits,
}

impl Line {
    /// `addresses` are `http://` and an IP literal with a port: names are resolved outside.
    pub fn new(addresses: &[String], limits: Limits) -> Result<Self, Error> {
        if addresses.is_empty() || !addresses.iter().all(|address| is_literal(address)) {
            return Err(Error::Bundle(
                "its addresses must be http:// with an IP literal and a port".to_owned(),
            ));
        }
        let config = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(limits.connect))
            .timeout_global(Some(limits.whole))
            .max_response_header_size(limits.head)
            .proxy(None)
            .user_agent("casemate-shield")
            .build();
        Ok(Self {
            agent: Agent::with_parts(config, DefaultConnector::new(), Literals),
            addresses: addresses.to_vec(),
            limits,
        })
    }

    /// The addresses, in the order in which they are tried.
    pub fn addresses(&self) -> &[String] {
        &self.addresses
    }

    /// Posts to one of the addresses.
    pub fn post(&self, address: &str, path: &str, body: &[u8], signed: &SignedRequest) -> Result<Raw, Error> {
        self.exchange(address, path, body, signed)
            .map_err(|error| fault(address, &error))
    }

    fn exchange(&self, address: &str, path: &str, body: &[u8], signed: &SignedRequest) -> Result<Raw, ureq::Error> {
        let send = || {
            self.agent
                .post(format!("{address}{path}"))
                .header("content-type", "application/json")
                .header("content-digest", &signed.content_digest)
                .header("signature-input", &signed.signature_input)
                .header("signature", &signed.signature)
                .send(body)
        };
        // A kept connection may be closed by the other side at the moment in which it is used again, so what was cut
        // off before an answer is sent once more, as it would be to the next address.
        let mut response = send().or_else(|error| if was_cut_off(&error) { send() } else { Err(error) })?;
        let header = |name: &str| {
            let mut values = response.headers().get_all(name).iter();
            // Twice the same header is no header: nobody of ours sends that.
            let only = values.next().filter(|_| values.next().is_none());
            only.and_then(|value| value.to_str().ok())
                .unwrap_or_default()
                .to_owned()
        };
        let headers = AnswerHeaders {
            content_digest: header("content-digest"),
            instance: header("casemate-instance"),
            signature_input: header("signature-input"),
            signature: header("signature"),
        };
        let status = response.status().as_u16();
        let body = response
            .body_mut()
            .with_config()
            .limit(self.limits.body)
            .read_to_vec()?;
        Ok(Raw { status, headers, body })
    }
}

fn was_cut_off(error: &ureq::Error) -> bool {
    use std::io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let kinds = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof];
    matches!(error, ureq::Error::Io(why) if kinds.contains(&why.kind()))
}

/// Somebody who answers, but not as a custodian does, is not genuine; silence may pass.
fn fault(address: &str, error: &ureq::Error) -> Error {
    let step = match error {
        ureq::Error::BodyExceedsLimit(_) => "the answer is longer than any custodian's",
        ureq::Error::LargeResponseHeader(..) => "the answer's headers are longer than any custodian's",
        ureq::Error::Protocol(_) | ureq::Error::Http(_) => "the answer is not HTTP",
        error => return Error::Unreachable(format!("{address}: {error}").replace(char::is_control, " ")),
    };
    Error::NotGenuine { step }
}

/// Reads addresses and looks no name up, on no thread of its own: the C library's resolver would load libraries of the
/// host into this static program.
#[derive(Debug)]
struct Literals;

impl Resolver for Literals {
    fn resolve(&self, uri: &Uri, _: &Config, _: NextTimeout) -> Result<ResolvedSocketAddrs, ureq::Error> {
        let literal = uri.authority().and_then(|authority| authority.as_str().parse().ok());
        let mut addresses = self.empty();
        addresses.push(literal.ok_or(ureq::Error::HostNotFound)?);
        Ok(addresses)
    }
}

fn is_literal(address: &str) -> bool {
    address
        .strip_prefix("http://")
        .is_some_and(|rest| rest.parse::<SocketAddr>().is_ok())
}

#[cfg(test)]
mod tests {
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    use casemate_testing::{Request, Server};

    use super::*;

    const SIGNED: SignedRequest = SignedRequest {
        content_digest: String::new(),
        signature_input: String::new(),
        signature: String::new(),
    };

    /// What comes of one exchange with this server, under limits that a test can reach.
    fn exchange(serve: impl FnMut(&Request, &mut TcpStream) -> bool + Send + 'static) -> Result<Raw, Error> {
        let limits = Limits {
            whole: Duration::from_millis(300),
            head: 1000,
            body: 1000,
            ..Limits::PROTOCOL
        };
        let server = Server::start(serve);
        let line = Line::new(&[server.address()], limits).unwrap();
        line.post(&server.address(), "/", b"{}", &SIGNED)
    }

    fn sending(bytes: &str) -> Result<Raw, Error> {
        let bytes = bytes.to_owned();
        exchange(move |_, connection| connection.write_all(bytes.as_bytes()).is_err())
    }

    #[track_caller]
    fn assert_not_genuine(bytes: &str, words: &str) {
        match sending(bytes) {
            Err(Error::NotGenuine { step }) if step.contains(words) => {}
            other => panic!("{words:?} expected: {other:?}"),
        }
    }

    #[test]
    fn a_body_at_the_limit_is_read_and_one_over_it_refused() {
        let body = |length: usize| {
            format!(
                "HTTP/1.1 200 OK\r\ncontent-length: {length}\r\n\r\n{}",
                "x".repeat(length)
            )
        };
        assert_eq!(sending(&body(1000)).unwrap().body.len(), 1000);
        assert_not_genuine(&body(1001), "longer than any custodian's");
        let chunk = format!("200\r\n{}\r\n", "x".repeat(0x200));
        let endless = format!(
            "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n{}",
            chunk.repeat(4)
        );
        assert_not_genuine(&endless, "longer than any custodian's");
    }

    #[test]
    fn endless_headers_are_refused() {
        let head = format!("HTTP/1.1 200 OK\r\nx: {}\r\n", "x".repeat(1000));
        assert_not_genuine(&format!("{head}\r\n"), "headers");
        assert_not_genuine(&head, "headers");
        let many = "x: 1\r\n".repeat(150);
        assert_not_genuine(&format!("HTTP/1.1 200 OK\r\n{many}\r\n"), "not HTTP");
    }

    #[test]
    fn what_is_no_http_is_refused() {
        for bytes in ["SSH-2.0-OpenSSH\r\n\r\n", "HTTP/1.1 2x0 OK\r\n\r\n", "\0\0\0\0\r\n\r\n"] {
            assert_not_genuine(bytes, "not HTTP");
        }
    }

    #[test]
    fn a_custodian_that_drips_is_given_up() {
        for start in [
            "HTTP/1.1 200 OK\r\nx: ",
            "HTTP/1.1 200 OK\r\ncontent-length: 900\r\n\r\n",
        ] {
            let error = exchange(move |_, connection| {
                let mut sent = connection.write_all(start.as_bytes());
                while sent.is_ok() {
                    std::thread::sleep(Duration::from_millis(20));
                    sent = connection.write_all(b"x");
                }
                false
            });
            assert!(
                matches!(&error, Err(Error::Unreachable(why)) if why.contains("timeout")),
                "{error:?}"
            );
        }
    }

    #[test]
    fn what_was_cut_off_before_an_answer_is_posted_once_more() {
        for (cuts, heard) in [(1, true), (2, false)] {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            let address = format!("http://{}", listener.local_addr().unwrap());
            std::thread::spawn(move || {
                for (past, connection) in listener.incoming().flatten().enumerate() {
                    // What is closed while bytes wait in it is reset.
                    connection.peek(&mut [0]).unwrap();
                    if past >= cuts {
                        answer_one(connection);
                    }
                }
            });
            let line = Line::new(std::slice::from_ref(&address), Limits::PROTOCOL).unwrap();
            let raw = line.post(&address, "/", b"{}", &SIGNED);
            match raw {
                Ok(raw) if heard => assert_eq!(raw.status, 200),
                Err(Error::Unreachable(why)) if !heard && why.contains(&address) => {}
                other => panic!("after {cuts} cuts: {other:?}"),
            }
        }
    }

    fn answer_one(mut connection: TcpStream) {
        let mut asked = Vec::new();
        while !asked.ends_with(b"{}") {
            let mut bytes = [0; 1000];
            let length = connection.read(&mut bytes).unwrap();
            asked.extend_from_slice(&bytes[..length]);
        }
        connection
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .unwrap();
    }

    #[test]
    fn a_header_that_comes_twice_counts_as_none() {
        let raw = sending(
            "HTTP/1.1 200 OK\r\nsignature: a\r\nsignature: a\r\ncontent-digest: b\r\ncontent-length: 0\r\n\r\n",
        );
        let headers = raw.unwrap().headers;
        assert_eq!((headers.signature.as_str(), headers.content_digest.as_str()), ("", "b"));
    }

    #[test]
    fn a_redirection_is_an_answer_and_is_not_followed() {
        let raw = sending("HTTP/1.1 307 X\r\nlocation: http://127.0.0.1:1/\r\ncontent-length: 0\r\n\r\n");
        assert_eq!(raw.unwrap().status, 307);
    }

    #[test]
    fn no_name_is_ever_looked_up() {
        let timeout = NextTimeout {
            after: Duration::from_secs(1).into(),
            reason: ureq::Timeout::Resolve,
            per_read: None,
            per_write: None,
        };
        let resolved = |uri: &str| Literals.resolve(&uri.parse().unwrap(), &Config::default(), timeout);
        assert_eq!(
            resolved("http://[::1]:7700/v1").unwrap()[..],
            ["[::1]:7700".parse().unwrap()]
        );
        assert!(matches!(
            resolved("http://localhost:7700/v1"),
            Err(ureq::Error::HostNotFound)
        ));
    }

    #[test]
    fn names_and_other_schemes_are_no_addresses() {
        for address in [
            "http://localhost:1",
            "https://127.0.0.1:1",
            "http://127.0.0.1",
            "127.0.0.1:1",
            "",
        ] {
            let line = Line::new(&[address.to_owned()], Limits::PROTOCOL);
            assert!(matches!(line, Err(Error::Bundle(_))), "{address}");
        }
        assert!(Line::new(&[], Limits::PROTOCOL).is_err());
        Line::new(&["http://[::1]:7700".to_owned()], Limits::PROTOCOL).unwrap();
    }
}
