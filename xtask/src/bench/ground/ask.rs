//! One HTTP request to something on a node's loopback. In: a port and a path. Out: the body.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hopspan_lab::Node;

const LIMIT: Duration = Duration::from_secs(10);

/// Asks, and reads until the answer is whole.
///
/// # Errors
/// When nobody answers, or with another status than 200.
pub(super) fn get(node: &Node, port: u16, path: &str) -> Result<String> {
    let stream = node.within(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)))?;
    let mut stream = stream.with_context(|| format!("connect to port {port}"))?;
    stream
        .set_read_timeout(Some(LIMIT))
        .context("limit the wait for an answer")?;
    stream
        .write_all(format!("GET {path} HTTP/1.1\r\nhost: localhost\r\n\r\n").as_bytes())
        .context("ask")?;
    // Then the server ends the connection behind its answer.
    stream
        .shutdown(std::net::Shutdown::Write)
        .context("end the question")?;
    let mut answer = String::new();
    stream
        .read_to_string(&mut answer)
        .context("read the answer")?;
    let (head, body) = answer
        .split_once("\r\n\r\n")
        .context("the answer has no end of its head")?;
    ensure!(head.starts_with("HTTP/1.1 200 "), "the answer is {head:?}");
    Ok(body.to_owned())
}
