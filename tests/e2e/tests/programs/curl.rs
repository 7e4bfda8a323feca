//! curl in a pod: several requests in one invocation, each with its own trace context. In: paths.
//! Out: what curl reports of each request.

use std::{net::SocketAddr, time::Duration};

use hopspan_e2e::Parent;
use hopspan_lab::Pod;

const DEADLINE: Duration = Duration::from_secs(60);

/// An answered request, as curl reports it.
#[derive(Debug)]
pub(crate) struct CurlAnswer {
    /// The path of the request.
    pub(crate) path: String,
    /// The trace context of the request.
    pub(crate) parent: Parent,
    /// The status.
    pub(crate) status: String,
    /// `1.1` or `2`.
    pub(crate) version: String,
    /// Whether the request had to wait for a new connection.
    pub(crate) connected: bool,
    /// The port of curl's end of the connection.
    pub(crate) port: String,
    /// The header x-served-by with the address of the pod that served it; empty without that
    /// header.
    pub(crate) served_by: String,
}

/// Requests every path in turn, on one connection if the server keeps it open.
pub(crate) fn get(
    pod: &Pod,
    server: SocketAddr,
    paths: &[&str],
    options: &[&str],
) -> Vec<CurlAnswer> {
    let parents: Vec<Parent> = paths.iter().map(|_| Parent::new()).collect();
    let script: Vec<String> = paths
        .iter()
        .zip(&parents)
        .map(|(path, parent)| section(&format!("http://{server}{path}"), parent, options))
        .collect();
    let output = pod
        .command("curl")
        .args(["--config", "-"])
        .stdin_text(&script.join("next\n"))
        .unwrap()
        .run(DEADLINE)
        .unwrap();
    let answers: Vec<CurlAnswer> = output
        .lines()
        .zip(paths.iter().zip(parents))
        .map(|(line, (path, parent))| answer(line, path, parent))
        .collect();
    assert_eq!(answers.len(), paths.len(), "curl wrote {output}");
    answers
}

/// One request in the format of curl's configuration files.
fn section(url: &str, parent: &Parent, options: &[&str]) -> String {
    let mut section = format!(
        "url = \"{url}\"\n\
         header = \"traceparent: {}\"\n\
         output = /dev/null\n\
         silent\n\
         show-error\n\
         write-out = \"%{{http_code}},%{{http_version}},%{{num_connects}},%{{local_port}},%header{{x-served-by}}\\n\"\n",
        parent.traceparent()
    );
    for option in options {
        section.push_str(option);
        section.push('\n');
    }
    section
}

fn answer(line: &str, path: &str, parent: Parent) -> CurlAnswer {
    let fields: Vec<&str> = line.split(',').collect();
    let [status, version, connects, port, served_by] = fields[..] else {
        panic!("curl wrote {line:?}");
    };
    CurlAnswer {
        path: path.to_owned(),
        parent,
        status: status.to_owned(),
        version: version.to_owned(),
        connected: connects != "0",
        port: port.to_owned(),
        served_by: served_by.to_owned(),
    }
}
