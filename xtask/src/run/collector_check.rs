//! Checks the collector of `--otlp` before the lab is up, because the viewer would report only at
//! the end that it forwards to nobody. In: the URL. Out: an error with the remedy, where nothing
//! answers there in the protocol of the URL.

use std::io::{Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::time::Duration;

use anyhow::{Context, Result, bail, ensure};

const LIMIT: Duration = Duration::from_secs(5);
/// HTTP/2's preface, and SETTINGS without entries (RFC 9113, sections 3.4 and 6.5).
const GRPC_HELLO: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
/// Where a frame has its type, and that of SETTINGS, which a server sends first.
const FRAME_TYPE: usize = 3;
const SETTINGS: u8 = 4;

/// Checks that a collector answers at this URL.
///
/// # Errors
/// When the URL is none of `hopspan view --forward`, nothing listens there, or what listens does not
/// have its protocol.
pub(super) fn check(url: &str) -> Result<()> {
    answers(url).with_context(|| {
        format!("--otlp {url}: give a running collector as http://HOST:4317 for gRPC or http://HOST:4318/v1/traces for HTTP")
    })
}

fn answers(url: &str) -> Result<()> {
    let (scheme, rest) = url.split_once("://").context("not a URL")?;
    ensure!(scheme == "http", "the scheme {scheme} is not supported");
    let (authority, path) = match rest.find('/') {
        Some(slash) => rest.split_at(slash),
        None => (rest, ""),
    };
    let is_http = path.ends_with("/v1/traces");
    ensure!(
        is_http || matches!(path, "" | "/"),
        "the path {path} does not end in /v1/traces"
    );
    let has_port = authority
        .rsplit_once(':')
        .is_some_and(|(_, port)| port.parse::<u16>().is_ok());
    let place = match has_port {
        true => authority.to_owned(),
        false => format!("{authority}:80"),
    };
    let mut stream = connect(&place).with_context(|| format!("connect to {place}"))?;
    if is_http {
        // A request without spans.
        let head = format!(
            "POST {path} HTTP/1.1\r\nhost: {authority}\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\nconnection: close\r\n\r\n"
        );
        stream.write_all(head.as_bytes())?;
        let mut answer = [0; 12];
        let is_read = stream.read_exact(&mut answer).is_ok();
        let answer = String::from_utf8_lossy(&answer);
        let status = answer
            .strip_prefix("HTTP/1.")
            .and_then(|rest| rest.get(2..));
        match status.filter(|_| is_read) {
            Some(status) if status.starts_with('2') => Ok(()),
            Some(status) => bail!("it answers with the status {status}"),
            None => bail!("it does not answer in HTTP/1"),
        }
    } else {
        stream.write_all(GRPC_HELLO)?;
        let mut frame = [0; 9];
        let is_read = stream.read_exact(&mut frame).is_ok();
        ensure!(
            is_read && frame[FRAME_TYPE] == SETTINGS,
            "it does not answer in gRPC"
        );
        Ok(())
    }
}

/// Connects to the first address that accepts.
fn connect(place: &str) -> Result<TcpStream> {
    let mut last = None;
    for address in place.to_socket_addrs()? {
        match TcpStream::connect_timeout(&address, LIMIT) {
            Ok(stream) => {
                stream.set_read_timeout(Some(LIMIT))?;
                return Ok(stream);
            }
            Err(error) => last = Some(error),
        }
    }
    Err(last.context("no address")?.into())
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;
    use std::thread;

    use super::*;

    /// Checks `http://LISTENER` and a path, where the listener sends this answer.
    fn outcome(answer: &'static [u8], path: &str) -> Result<()> {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 1024]);
            stream.write_all(answer).unwrap();
        });
        let outcome = check(&format!("http://{address}{path}"));
        server.join().unwrap();
        outcome
    }

    fn refused(url: &str, words: &str) {
        let error = format!("{:#}", check(url).unwrap_err());
        assert!(error.contains(words), "{error}");
        assert!(
            error.starts_with(&format!("--otlp {url}: give ")),
            "{error}"
        );
    }

    #[test]
    fn a_url_that_cannot_be_forwarded_to_is_refused() {
        refused("collector", "not a URL");
        refused("https://collector:4317", "scheme https");
        refused("http://localhost:4318/v1/logs", "/v1/logs does not end in");
        // The port of the discard service, on which nothing listens.
        refused("http://127.0.0.1:9", "connect to 127.0.0.1:9: ");
    }

    #[test]
    fn a_collector_has_the_protocol_of_its_url() {
        let settings = b"\0\0\0\x04\0\0\0\0\0";
        let check = |answer: &'static [u8], path: &str, expected: Option<&str>| {
            let outcome = outcome(answer, path).map_err(|error| format!("{error:#}"));
            match (outcome, expected) {
                (Ok(()), None) => {}
                (Err(error), Some(words)) => assert!(error.contains(words), "{error}"),
                (outcome, expected) => panic!("{outcome:?}, expected {expected:?}"),
            }
        };
        check(settings, "", None);
        check(settings, "/v1/traces", Some("not answer in HTTP/1"));
        check(b"HTTP/1.1 200 OK\r\n\r\n", "/v1/traces", None);
        check(
            b"HTTP/1.1 404 Not Found\r\n\r\n",
            "/v1/traces",
            Some("status 404"),
        );
        check(
            b"HTTP/1.1 400 Bad Request\r\n\r\n",
            "/",
            Some("not answer in gRPC"),
        );
        check(b"", "", Some("not answer in gRPC"));
    }
}
