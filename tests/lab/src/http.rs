//! Requests over HTTP/1.1 from the test's own process to a server in a node's network namespace.
//!
//! In: a node, a port, paths. Out: responses. All requests share one connection, so that a tracer
//! on the node sees one handshake, however often a test polls. It reads bodies with Content-Length
//! only: no chunks, no compression.

use std::io::{BufRead, BufReader, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result};

use crate::Node;

/// How long a response may take on a busy machine.
const RESPONSE_LIMIT: Duration = Duration::from_secs(60);

/// A connection to a server, on the loopback address of a node or elsewhere in the lab.
#[derive(Debug)]
pub struct HttpClient {
    stream: BufReader<TcpStream>,
}

/// What the server answered.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct HttpResponse {
    /// The status code.
    pub status: u16,
    /// The Content-Type header, or the empty string.
    pub content_type: String,
    /// The body as text.
    pub body: String,
}

impl HttpClient {
    /// Connects to 127.0.0.1 in the node's network namespace.
    ///
    /// # Errors
    /// When nothing listens on the port, or the namespace is gone.
    pub fn connect(node: &Node, port: u16) -> Result<Self> {
        Self::connect_to(node, (Ipv4Addr::LOCALHOST, port).into())
    }

    /// Connects from the node's network namespace to any address.
    ///
    /// # Errors
    /// As [`Self::connect`].
    pub fn connect_to(node: &Node, address: SocketAddr) -> Result<Self> {
        let stream = node
            .within(|| TcpStream::connect(address))?
            .with_context(|| format!("connect to {address} from node {}", node.name()))?;
        stream.set_read_timeout(Some(RESPONSE_LIMIT))?;
        Ok(Self {
            stream: BufReader::new(stream),
        })
    }

    /// Sends a GET request and reads its response.
    ///
    /// # Errors
    /// When the connection ends or is silent for a minute, or the response is not HTTP/1.1 with
    /// Content-Length.
    pub fn get(&mut self, path: &str) -> Result<HttpResponse> {
        // One write: a request in several segments is harder for a tracer to recognise.
        let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n");
        self.stream
            .get_mut()
            .write_all(request.as_bytes())
            .with_context(|| format!("send GET {path}"))?;
        read_response(&mut self.stream).with_context(|| format!("read the response to GET {path}"))
    }
}

fn read_response(stream: &mut impl BufRead) -> Result<HttpResponse> {
    let mut line = String::new();
    let mut next_line = |stream: &mut dyn BufRead| -> Result<String> {
        line.clear();
        stream.read_line(&mut line)?;
        Ok(line.trim_end().to_owned())
    };
    let status_line = next_line(stream)?;
    let status = status_line
        .strip_prefix("HTTP/1.1 ")
        .and_then(|rest| rest.get(..3)?.parse().ok())
        .with_context(|| format!("no status line: {status_line:?}"))?;
    let (mut content_type, mut content_length) = (String::new(), None);
    loop {
        let header = next_line(stream)?;
        let Some((name, value)) = header.split_once(':') else {
            break;
        };
        if name.eq_ignore_ascii_case("content-type") {
            content_type = value.trim().to_owned();
        } else if name.eq_ignore_ascii_case("content-length") {
            content_length = value.trim().parse().ok();
        }
    }
    let mut body = vec![0; content_length.context("no Content-Length")?];
    stream.read_exact(&mut body).context("read the body")?;
    Ok(HttpResponse {
        status,
        content_type,
        body: String::from_utf8(body).context("the body is not UTF-8")?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn responses_on_one_connection_are_read_one_by_one() {
        let mut stream = concat!(
            "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain\r\ncontent-length: 8\r\n\r\nstarting",
            "HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n",
            "HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\nshort",
        )
        .as_bytes();
        let first = read_response(&mut stream).unwrap();
        assert_eq!((first.status, &*first.content_type), (503, "text/plain"));
        assert_eq!(first.body, "starting");
        let second = read_response(&mut stream).unwrap();
        assert_eq!((second.status, &*second.body), (200, ""));
        assert!(read_response(&mut stream).is_err());
        assert!(read_response(&mut "".as_bytes()).is_err());
        assert!(read_response(&mut "HTTP/1.1 204 No Content\r\n\r\n".as_bytes()).is_err());
    }
}
