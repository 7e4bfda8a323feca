//! A receiver that takes little processor time, so that a benchmark measures the agent and not its
//! collector.
//!
//! In: OTLP over HTTP/1.1 with Content-Length, as the agent sends it. Out: counts, for `GET
//! /totals`. It stores no span, supports neither compression nor chunks, and reads of a span only
//! whether it is an exchange of hopspan's.

mod otlp;

use std::{
    io::{BufRead, BufReader, Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex, PoisonError},
    thread,
};

use anyhow::{Context, Result, bail};
use bytes::Bytes;

use otlp::Totals;

/// Far more than a batch of the agent.
const BODY_MAX_BYTES: usize = 64 << 20;
/// A head with more lines is refused.
const HEAD_MAX_LINES: usize = 100;
/// The rest of a longer line is read as the next line.
const LINE_MAX_BYTES: u64 = 16 << 10;

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    /// The address to listen on
    #[arg(long)]
    listen: SocketAddr,
}

/// A request.
#[derive(Debug, PartialEq, Eq)]
enum Request {
    Export { body_bytes: usize },
    Totals,
}

/// Receives until it is killed.
pub(crate) fn run(args: &Args) -> Result<()> {
    let listener =
        TcpListener::bind(args.listen).with_context(|| format!("listen on {}", args.listen))?;
    eprintln!("listening on {}", args.listen);
    let totals = Arc::new(Mutex::new(Totals::default()));
    for stream in listener.incoming() {
        let stream = stream.context("accept a connection")?;
        let totals = Arc::clone(&totals);
        thread::spawn(move || {
            if let Err(error) = serve(stream, &totals) {
                eprintln!("{error:#}");
                count(&totals, |totals| totals.refused += 1);
            }
        });
    }
    Ok(())
}

fn count<T>(totals: &Mutex<Totals>, change: impl FnOnce(&mut Totals) -> T) -> T {
    change(&mut totals.lock().unwrap_or_else(PoisonError::into_inner))
}

/// Serves requests until the client closes the connection, or GET /totals is served.
fn serve(stream: TcpStream, totals: &Mutex<Totals>) -> Result<()> {
    let mut reader = BufReader::new(stream.try_clone().context("duplicate a socket")?);
    let mut writer = stream;
    while let Some(request) = head(&mut reader)? {
        let Request::Export { body_bytes } = request else {
            let totals = count(totals, |totals| *totals);
            let totals = serde_json::to_vec(&totals).context("write the totals")?;
            return answer(&mut writer, "application/json", &totals);
        };
        let mut body = vec![0; body_bytes];
        reader.read_exact(&mut body).context("read a body")?;
        let batch = otlp::count(Bytes::from(body)).context("decode a request")?;
        count(totals, |totals| totals.add(&batch));
        // An ExportTraceServiceResponse without fields is empty.
        answer(&mut writer, "application/x-protobuf", &[])?;
    }
    Ok(())
}

fn answer(writer: &mut TcpStream, media_type: &str, body: &[u8]) -> Result<()> {
    let head = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: {media_type}\r\ncontent-length: {}\r\n\r\n",
        body.len()
    );
    let response = [head.as_bytes(), body].concat();
    writer.write_all(&response).context("write a response")
}

/// Reads a request's head. `None` at the end of the connection.
fn head(reader: &mut impl BufRead) -> Result<Option<Request>> {
    let mut line = String::new();
    let mut first = String::new();
    let mut body_bytes = None;
    for number in 0..HEAD_MAX_LINES {
        line.clear();
        let mut limited = reader.by_ref().take(LINE_MAX_BYTES);
        let length = limited.read_line(&mut line).context("read a head")?;
        if length == 0 {
            if number == 0 {
                return Ok(None);
            }
            bail!("the connection ends in a head");
        }
        let text = line.trim_end();
        if text.is_empty() {
            return request(&first, body_bytes).map(Some);
        }
        if number == 0 {
            text.clone_into(&mut first);
        } else if let Some((name, value)) = text.split_once(':')
            && name.eq_ignore_ascii_case("content-length")
        {
            body_bytes = value.trim().parse().ok();
        }
    }
    bail!("a head of more than {HEAD_MAX_LINES} lines")
}

fn request(first: &str, body_bytes: Option<usize>) -> Result<Request> {
    if first.starts_with("GET /totals ") {
        return Ok(Request::Totals);
    }
    if !first.starts_with("POST /v1/traces ") {
        bail!("neither POST /v1/traces nor GET /totals: {first:?}");
    }
    match body_bytes {
        Some(bytes) if bytes <= BODY_MAX_BYTES => Ok(Request::Export { body_bytes: bytes }),
        Some(bytes) => bail!("a body of {bytes} bytes"),
        None => bail!("a request without content-length"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn check(text: &str, expected: Option<Option<Request>>) {
        assert_eq!(head(&mut text.as_bytes()).ok(), expected, "{text:?}");
    }

    #[test]
    fn requests_are_read_from_their_heads() {
        check("", Some(None));
        check(
            "POST /v1/traces HTTP/1.1\r\nContent-Length: 12\r\n\r\n",
            Some(Some(Request::Export { body_bytes: 12 })),
        );
        check("GET /totals HTTP/1.1\r\n\r\n", Some(Some(Request::Totals)));
    }

    #[test]
    fn other_requests_are_refused() {
        check("POST /v1/traces HTTP/1.1\r\nhost: a\r\n\r\n", None);
        check("POST /v1/logs HTTP/1.1\r\ncontent-length: 1\r\n\r\n", None);
        check(
            "POST /v1/traces HTTP/1.1\r\ncontent-length: 99999999999\r\n\r\n",
            None,
        );
        check("POST /v1/traces HTTP/1.1\r\ncontent-le", None);
    }

    #[test]
    fn totals_are_served_on_the_same_port() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let totals = Mutex::new(Totals::default());
        thread::scope(|scope| {
            scope.spawn(|| serve(listener.accept().unwrap().0, &totals).unwrap());
            let mut stream = TcpStream::connect(address).unwrap();
            stream
                .write_all(b"POST /v1/traces HTTP/1.1\r\ncontent-length: 0\r\n\r\n")
                .unwrap();
            stream.write_all(b"GET /totals HTTP/1.1\r\n\r\n").unwrap();
            let mut answers = String::new();
            stream.read_to_string(&mut answers).unwrap();
            let json = answers.rsplit("\r\n\r\n").next().unwrap();
            let totals: serde_json::Value = serde_json::from_str(json).unwrap();
            assert_eq!(totals["requests"], 1);
            assert_eq!(totals["spans"], 0);
        });
    }
}
