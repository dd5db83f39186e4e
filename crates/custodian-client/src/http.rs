//! One exchange with one of the addresses, over a connection that is kept.

use std::net::SocketAddr;
use std::time::Duration;

use ureq::Agent;

use crate::Error;
use crate::signature::{AnswerHeaders, SignedRequest};

/// Longest that an answer may be; configurations hold files.
const MAX_ANSWER: u64 = 8 * 1024 * 1024;
const CONNECT: Duration = Duration::from_secs(2);
const WHOLE: Duration = Duration::from_secs(10);

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
}

impl Line {
    /// `addresses` are `http://` and an IP literal with a port: names are resolved outside.
    pub fn new(addresses: &[String]) -> Result<Self, Error> {
        if addresses.is_empty() || !addresses.iter().all(|address| is_literal(address)) {
            return Err(Error::Bundle(
                "its addresses must be http:// with an IP literal and a port".to_owned(),
            ));
        }
        let agent = Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_connect(Some(CONNECT))
            .timeout_global(Some(WHOLE))
            .proxy(None)
            .user_agent("casemate-shield")
            .build()
            .into();
        Ok(Self {
            agent,
            addresses: addresses.to_vec(),
        })
    }

    /// Posts to the first address that answers.
    pub fn post(&self, path: &str, body: &[u8], signed: &SignedRequest) -> Result<Raw, Error> {
        let mut reasons = Vec::new();
        for address in &self.addresses {
            match self.post_to(address, path, body, signed) {
                Ok(raw) => return Ok(raw),
                Err(error) => reasons.push(format!("{address}: {error}").replace(char::is_control, " ")),
            }
        }
        Err(Error::Unreachable(reasons.join(", ")))
    }

    fn post_to(&self, address: &str, path: &str, body: &[u8], signed: &SignedRequest) -> Result<Raw, ureq::Error> {
        let mut response = self
            .agent
            .post(format!("{address}{path}"))
            .header("content-type", "application/json")
            .header("content-digest", &signed.content_digest)
            .header("signature-input", &signed.signature_input)
            .header("signature", &signed.signature)
            .send(body)?;
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
        let body = response.body_mut().with_config().limit(MAX_ANSWER).read_to_vec()?;
        Ok(Raw { status, headers, body })
    }
}

fn is_literal(address: &str) -> bool {
    address
        .strip_prefix("http://")
        .is_some_and(|rest| rest.parse::<SocketAddr>().is_ok())
}
