//! nghttp in a pod: several paths on one connection of HTTP/2, with one trace context. In: paths.
//! Out: the status of each, as nghttp itself reports it.

use std::{collections::BTreeMap, net::SocketAddr, time::Duration};

use hopspan_e2e::Parent;
use hopspan_lab::Pod;

const DEADLINE: Duration = Duration::from_secs(60);

/// Requests every path; the status of each, by path.
pub(crate) fn get(
    pod: &Pod,
    server: SocketAddr,
    paths: &[&str],
    option: &str,
    parent: &Parent,
) -> BTreeMap<String, String> {
    let output = pod
        .command("nghttp")
        .args(["--null-out", "--stat", option])
        .arg(format!("--header=traceparent: {}", parent.traceparent()))
        .args(paths.iter().map(|path| format!("http://{server}{path}")))
        .run(DEADLINE)
        .unwrap();
    let statuses: BTreeMap<String, String> = output.lines().filter_map(row).collect();
    assert_eq!(statuses.len(), paths.len(), "nghttp wrote {output}");
    statuses
}

/// A row of the table with the columns `id responseEnd requestStart process code size path`.
fn row(line: &str) -> Option<(String, String)> {
    let fields: Vec<&str> = line.split_whitespace().collect();
    let [.., code, _size, path] = fields[..] else {
        return None;
    };
    path.starts_with('/')
        .then(|| (path.to_owned(), code.to_owned()))
}
