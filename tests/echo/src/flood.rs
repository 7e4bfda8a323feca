//! A flood: messages as fast as one connection takes them, each in a segment of its own, whatever
//! the server answers. A connection that ends is opened again.

use std::{
    io::{self, Read, Write},
    net::{Shutdown, SocketAddr, TcpStream},
    thread,
    time::{Duration, Instant},
};

use clap::ValueEnum;

/// Names a client in a traceparent.
const TRACE: &str = "00-f100d000000000000000000000000001-f100d00000000001-01";
const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0";
const RETRY: Duration = Duration::from_millis(10);

/// What is sent.
#[derive(Debug, Clone, Copy, ValueEnum)]
enum Kind {
    /// HTTP/1.1 requests in a sampled trace that wait for no response
    Pipelined,
    /// HTTP/2 requests in a sampled trace, each cancelled at once
    RapidReset,
    /// HTTP/2 requests without a trace context
    Headers,
    /// A connection for each request in a sampled trace
    Connections,
}

#[derive(Debug, clap::Args)]
pub(crate) struct Args {
    #[arg(long, value_enum)]
    kind: Kind,
    /// The server
    #[arg(long, value_name = "IP:PORT")]
    to: SocketAddr,
    #[arg(long)]
    seconds: u64,
}

pub(crate) fn run(args: &Args) -> anyhow::Result<()> {
    let end = Instant::now() + Duration::from_secs(args.seconds);
    let mut sent = 0;
    while Instant::now() < end {
        // A server under a flood may refuse or close the connection.
        if flood(args, end, &mut sent).is_err() {
            thread::sleep(RETRY);
        }
    }
    eprintln!("sent {sent} messages");
    Ok(())
}

/// Sends on one connection until `end`, or until it ends.
fn flood(args: &Args, end: Instant, sent: &mut u64) -> io::Result<()> {
    let mut stream = TcpStream::connect(args.to)?;
    stream.set_nodelay(true)?;
    // A server that does not read does not stop the flood for ever.
    stream.set_write_timeout(Some(Duration::from_millis(200)))?;
    let mut responses = stream.try_clone()?;
    let reader = thread::spawn(move || io::copy(&mut responses, &mut io::sink()));
    let result = send(args.kind, &mut stream, end, sent);
    let _ = stream.shutdown(Shutdown::Both);
    let _ = reader.join();
    result
}

fn send(kind: Kind, stream: &mut TcpStream, end: Instant, sent: &mut u64) -> io::Result<()> {
    let request = format!("GET /flood HTTP/1.1\r\nHost: flood\r\ntraceparent: {TRACE}\r\n\r\n");
    if matches!(kind, Kind::RapidReset | Kind::Headers) {
        stream.write_all(PREFACE)?;
    }
    let mut stream_id = 1_u32;
    while Instant::now() < end {
        match kind {
            Kind::Pipelined => stream.write_all(request.as_bytes())?,
            Kind::Connections => {
                stream.write_all(request.as_bytes())?;
                *sent += 1;
                return Ok(());
            }
            Kind::RapidReset => {
                let mut frames = headers(stream_id, Some(TRACE));
                frames.extend(frame(3, 0, stream_id, &8_u32.to_be_bytes()));
                stream.write_all(&frames)?;
            }
            Kind::Headers => stream.write_all(&headers(stream_id, None))?,
        }
        *sent += 1;
        stream_id = stream_id.wrapping_add(2);
        if stream_id >> 31 != 0 {
            return Ok(());
        }
    }
    Ok(())
}

/// HEADERS of a whole GET request (RFC 9113 section 6.2, RFC 7541 section 6).
fn headers(stream_id: u32, trace: Option<&str>) -> Vec<u8> {
    // :method GET, :scheme http and :path / of the static table; :authority as a literal.
    let mut block = b"\x82\x86\x84\x01\x05flood".to_vec();
    if let Some(trace) = trace {
        block.extend(b"\x00\x0btraceparent\x37");
        block.extend(trace.as_bytes());
    }
    frame(1, 5, stream_id, &block)
}

fn frame(kind: u8, flags: u8, stream_id: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap_or(0).to_be_bytes();
    let mut frame = vec![length[1], length[2], length[3], kind, flags];
    frame.extend(stream_id.to_be_bytes());
    frame.extend(payload);
    frame
}

/// Takes connections and reads whatever comes, until SIGTERM.
pub(crate) fn sink(address: SocketAddr) -> anyhow::Result<()> {
    let listener = std::net::TcpListener::bind(address)?;
    for stream in listener.incoming() {
        let Ok(mut stream) = stream else { continue };
        thread::spawn(move || {
            let mut bytes = vec![0; 1 << 16];
            while stream.read(&mut bytes).is_ok_and(|read| read > 0) {}
        });
    }
    Ok(())
}
