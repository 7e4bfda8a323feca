//! What the program `echo` records of each request: when it was sent and answered, and between
//! which addresses, as the sockets at both ends have them: the real translations, without any
//! tracer.

use std::{fs, net::SocketAddr, path::Path};

use anyhow::{Context, Result};

/// The first half of the trace ids that `echo` makes.
pub(crate) const TRACE_PREFIX: u64 = u64::from_be_bytes(*b"echoecho");

/// One answered request. Times are in nanoseconds since 1970.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Answer {
    /// The request's number, which is in its path and trace context.
    pub number: u64,
    /// When the request was sent.
    pub sent_ns: u64,
    /// When its response had arrived.
    pub answered_ns: u64,
    /// The client's address, as it sends.
    pub client: SocketAddr,
    /// The server's, as it receives.
    pub server: SocketAddr,
    /// The client's, as the server sees it.
    pub seen: SocketAddr,
}

impl Answer {
    /// Reads what `echo load --record` wrote, in the order of the requests.
    ///
    /// # Errors
    /// When the file is not there, or is not such a record.
    pub fn read(path: &Path) -> Result<Vec<Self>> {
        let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
        let answers: Option<Vec<Self>> = text.lines().map(Self::parse).collect();
        let mut answers = answers
            .with_context(|| format!("{} is no record of a load:\n{text}", path.display()))?;
        answers.sort_by_key(|answer| answer.number);
        Ok(answers)
    }

    /// Reads the line `number sent answered client server seen`.
    fn parse(line: &str) -> Option<Self> {
        let fields: Vec<&str> = line.split(' ').collect();
        let [number, sent, answered, client, server, seen] = fields[..] else {
            return None;
        };
        Some(Self {
            number: number.parse().ok()?,
            sent_ns: sent.parse().ok()?,
            answered_ns: answered.parse().ok()?,
            client: client.parse().ok()?,
            server: server.parse().ok()?,
            seen: seen.parse().ok()?,
        })
    }

    /// The id of its trace, in which it is the only request.
    pub fn trace_id(&self) -> String {
        format!("{TRACE_PREFIX:016x}{:016x}", self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_read_whole_or_refused() {
        let line = "7 1 2 10.0.0.1:80 [fd00::1]:81 10.0.0.2:82";
        let answer = Answer::parse(line).unwrap();
        assert_eq!((answer.sent_ns, answer.answered_ns), (1, 2));
        assert_eq!(answer.server.to_string(), "[fd00::1]:81");
        assert_eq!(answer.trace_id(), "6563686f6563686f0000000000000007");
        for bad in ["7 1 2", "x 1 2 10.0.0.1:80 10.0.0.1:80 10.0.0.1:80", ""] {
            assert_eq!(Answer::parse(bad), None, "{bad}");
        }
    }
}
