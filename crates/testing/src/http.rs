//! A server that reads requests well and answers as it is told.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::thread;

use serde_json::Value;

/// A request as it arrived.
#[derive(Clone, Debug)]
pub struct Request {
    /// `POST`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names in lower case.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Request {
    /// A header's value, empty where there is none.
    #[must_use]
    pub fn header(&self, name: &str) -> &str {
        self.headers
            .iter()
            .find(|(n, _)| n == name)
            .map_or("", |(_, value)| value)
    }

    /// A field of the JSON body, null where there is none.
    #[must_use]
    pub fn field(&self, name: &str) -> Value {
        serde_json::from_slice::<Value>(&self.body).map_or(Value::Null, |body| body[name].clone())
    }

    /// The next request, `None` where the connection ended.
    fn read(reader: &mut impl BufRead) -> Option<Self> {
        let first = line(reader)?;
        let mut words = first.split(' ').map(str::to_owned);
        let (method, path) = (words.next()?, words.next()?);
        let mut headers = Vec::new();
        loop {
            let line = line(reader)?;
            let Some((name, value)) = line.split_once(':') else {
                break;
            };
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
        let mut request = Self {
            method,
            path,
            headers,
            body: Vec::new(),
        };
        let length = request.header("content-length").parse().unwrap_or(0);
        reader.take(length).read_to_end(&mut request.body).ok()?;
        Some(request)
    }
}

fn line(reader: &mut impl BufRead) -> Option<String> {
    let mut line = String::new();
    (reader.read_line(&mut line).ok()? > 0).then(|| line.trim_end().to_owned())
}

/// An answer, to be spoiled before it is sent.
#[derive(Clone, Debug)]
pub struct Answer {
    /// Status code.
    pub status: u16,
    /// Every header but `Content-Length`.
    pub headers: Vec<(String, String)>,
    /// The body.
    pub body: Vec<u8>,
}

impl Answer {
    /// The value of a header that is there.
    ///
    /// # Panics
    /// When it is not there: the test is wrong then.
    pub fn header(&mut self, name: &str) -> &mut String {
        let found = self.headers.iter_mut().find(|(n, _)| n == name);
        &mut found.expect("a header of a signed answer").1
    }

    /// Without a header.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.retain(|(n, _)| n != name);
        self
    }

    /// Status line and headers, without the empty line after them.
    #[must_use]
    pub fn head(&self) -> String {
        let lines: String = self.headers.iter().map(|(n, v)| format!("{n}: {v}\r\n")).collect();
        format!("HTTP/1.1 {} Whatever\r\n{lines}", self.status)
    }

    /// As it goes over the wire.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        let head = format!("{}content-length: {}\r\n\r\n", self.head(), self.body.len());
        [head.as_bytes(), &self.body].concat()
    }
}

/// A server on a port of the loopback interface, until the process ends.
#[derive(Debug)]
pub struct Server {
    address: SocketAddr,
}

impl Server {
    /// Starts one; `serve` writes to the connection what it likes. It ends when `serve` says false.
    ///
    /// # Panics
    /// When there is no port.
    #[must_use]
    pub fn start(mut serve: impl FnMut(&Request, &mut TcpStream) -> bool + Send + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("an address");
        thread::spawn(move || {
            for mut connection in listener.incoming().flatten() {
                let Ok(copy) = connection.try_clone() else { continue };
                let mut reader = BufReader::new(copy);
                while let Some(request) = Request::read(&mut reader) {
                    if !serve(&request, &mut connection) {
                        break;
                    }
                }
            }
        });
        Self { address }
    }

    /// One whose answers are whole, but what `answer` says.
    #[must_use]
    pub fn answering(mut answer: impl FnMut(&Request) -> Answer + Send + 'static) -> Self {
        Self::start(move |request, connection| connection.write_all(&answer(request).to_bytes()).is_ok())
    }

    /// One that sends these bytes for each request, and closes.
    #[must_use]
    pub fn sending(mut bytes: impl FnMut(&Request) -> Vec<u8> + Send + 'static) -> Self {
        Self::start(move |request, connection| {
            // Whoever asked may have hung up already, which is what some tests want.
            let _ = connection.write_all(&bytes(request));
            false
        })
    }

    /// `http://127.0.0.1:PORT`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("http://{}", self.address)
    }
}
