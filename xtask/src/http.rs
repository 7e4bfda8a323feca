//! HTTP on the loopback of a node: the agent's readiness and metrics, and what else answers there.
//! In: a node and a port. Out: whether the agent is ready, numbers, and bodies.

use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hopspan_lab::Node;

/// The agent's `--listen` by default.
const AGENT_PORT: u16 = 9464;
/// For one read of a response.
const LIMIT: Duration = Duration::from_secs(10);

/// Whether the node's agent has attached its programs and read the rules once.
pub(crate) fn is_agent_ready(node: &Node) -> bool {
    get(node, AGENT_PORT, "/readyz").is_ok()
}

/// How many pairs of service address and endpoint the rules have that the node's agent has read; it
/// publishes them once a second.
pub(crate) fn endpoints_in_rules(node: &Node) -> Option<usize> {
    let metrics = get(node, AGENT_PORT, "/metrics").ok()?;
    gauge(&metrics, "hopspan_rules_decisions")
}

/// The body of the answer to a GET.
///
/// # Errors
/// When there is no answer, or its status is not 200.
pub(crate) fn get(node: &Node, port: u16, path: &str) -> Result<String> {
    let stream = node.within(|| TcpStream::connect((Ipv4Addr::LOCALHOST, port)))?;
    let mut stream = stream.with_context(|| format!("connect to port {port}"))?;
    stream
        .set_read_timeout(Some(LIMIT))
        .context("limit the wait for a response")?;
    let request = format!("GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n");
    stream
        .write_all(request.as_bytes())
        .context("send a request")?;
    let mut response = String::new();
    stream
        .read_to_string(&mut response)
        .context("read a response")?;
    let (head, body) = response
        .split_once("\r\n\r\n")
        .context("the response has no end of its head")?;
    ensure!(
        head.starts_with("HTTP/1.1 200 "),
        "the response is {head:?}"
    );
    Ok(body.to_owned())
}

/// A gauge without labels, in the text format of OpenMetrics.
fn gauge(metrics: &str, name: &str) -> Option<usize> {
    let mut lines = metrics.lines();
    let value = lines.find_map(|line| line.strip_prefix(name)?.strip_prefix(' '))?;
    value.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_gauge_is_found_by_its_whole_name() {
        let metrics = "# TYPE a gauge\na_b 7\na{c=\"d\"} 8\na 9\n# EOF\n";
        assert_eq!(gauge(metrics, "a"), Some(9));
        assert_eq!(gauge(metrics, "a_"), None);
    }
}
