//! A real Prometheus scrapes the agent: every query of the dashboard returns data, Prometheus
//! evaluates the alert rules, and the trace of an exemplar is among the spans that were exported.
//!
//! Prometheus listens on the loopback address of the lab's node. It ends with the test, also where
//! the test fails.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    fmt::Write as _,
    fs,
    io::{Read as _, Write as _},
    net::{Ipv4Addr, TcpStream},
    path::Path,
    thread,
    time::{Duration, Instant},
};

use hopspan_e2e::{AGENT_PORT, DropRule, Dropped, Fixture};
use hopspan_lab::{Node, Process};
use serde_json::Value;

const PORT: u16 = 9090;
const DEADLINE: Duration = Duration::from_secs(60);
/// Rates need several scrapes while there is traffic.
const ROUNDS: usize = 10;
const ROUND: Duration = Duration::from_secs(1);

fn deploy(path: &str) -> std::path::PathBuf {
    let deploy = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../deploy");
    deploy.join(path).canonicalize().unwrap()
}

/// Starts Prometheus on a node. Dropping the process kills it.
fn start(node: &Node, directory: &Path) -> Process {
    let config = directory.join("prometheus.yaml");
    let rules = deploy("prometheus/hopspan.rules.yaml");
    let text = format!(
        "global: {{scrape_interval: 1s, scrape_timeout: 1s, evaluation_interval: 1s}}\n\
         rule_files: [{}]\n\
         scrape_configs:\n\
         - job_name: hopspan\n\
         \x20 static_configs: [{{targets: [\"127.0.0.1:{AGENT_PORT}\"]}}]\n",
        rules.display()
    );
    fs::write(&config, text).unwrap();
    let option = |name: &str, value: &Path| format!("--{name}={}", value.display());
    let mut process = node
        .command("prometheus")
        .arg(option("config.file", &config))
        .arg(option("storage.tsdb.path", &directory.join("prometheus")))
        .arg("--enable-feature=exemplar-storage")
        .arg(format!("--web.listen-address=127.0.0.1:{PORT}"))
        .spawn()
        .unwrap();
    process.wait_listening(PORT, DEADLINE).unwrap();
    process
}

/// Asks Prometheus' API. HTTP/1.0, so that the answer has no chunks.
fn ask(node: &Node, path: &str) -> Value {
    let address = (Ipv4Addr::LOCALHOST, PORT);
    let stream = node.within(|| TcpStream::connect(address)).unwrap();
    let mut stream = stream.unwrap();
    stream.set_read_timeout(Some(DEADLINE)).unwrap();
    let request = format!("GET /api/v1/{path} HTTP/1.0\r\nHost: localhost\r\n\r\n");
    stream.write_all(request.as_bytes()).unwrap();
    let mut response = String::new();
    stream.read_to_string(&mut response).unwrap();
    let (_, body) = response.split_once("\r\n\r\n").unwrap();
    let answer: Value = serde_json::from_str(body).unwrap_or_else(|_| panic!("{response}"));
    assert_eq!(answer["status"], "success", "{path}: {answer}");
    answer["data"].clone()
}

/// Percent-encodes every byte that may have a meaning in a query string.
fn encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'_' => encoded.push(byte.into()),
            _ => write!(encoded, "%{byte:02x}").unwrap(),
        }
        encoded
    })
}

/// The series that a query returns now.
fn series(node: &Node, query: &str) -> Vec<Value> {
    let data = ask(node, &format!("query?query={}", encoded(query)));
    data["result"].as_array().unwrap().clone()
}

/// The queries of the dashboard, with everything selected.
fn dashboard_queries() -> Vec<String> {
    let text = fs::read_to_string(deploy("grafana/hopspan.json")).unwrap();
    let dashboard: Value = serde_json::from_str(&text).unwrap();
    let panels = dashboard["panels"].as_array().unwrap();
    let targets = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    let queries = targets.map(|target| {
        let query = target["expr"].as_str().unwrap();
        let query = query.replace("$__rate_interval", "30s");
        let query = query.replace("$__range", "1m");
        ["$node", "$client", "$service", "$hop"]
            .iter()
            .fold(query, |query, variable| query.replace(variable, ".*"))
    });
    queries.collect()
}

/// Waits until every query returns data; the last scrape may be a second old.
fn assert_data(node: &Node, queries: &[String]) {
    let deadline = Instant::now() + Duration::from_secs(10);
    loop {
        let empty = queries
            .iter()
            .filter(|query| series(node, query).is_empty());
        let empty: Vec<&String> = empty.collect();
        if empty.is_empty() {
            return;
        }
        assert!(Instant::now() < deadline, "no data: {empty:#?}");
        thread::sleep(Duration::from_millis(500));
    }
}

/// The trace id and the span id of each exemplar of a histogram.
fn exemplars(node: &Node, metric: &str) -> Vec<(String, String)> {
    // Seconds since 1970 that include every exemplar.
    let range = "start=0&end=4000000000";
    let data = ask(node, &format!("query_exemplars?query={metric}&{range}"));
    let series = data.as_array().unwrap().iter();
    let found = series.flat_map(|series| series["exemplars"].as_array().unwrap());
    let id = |exemplar: &Value, label| exemplar["labels"][label].as_str().unwrap().to_owned();
    let ids = found.map(|exemplar| (id(exemplar, "trace_id"), id(exemplar, "span_id")));
    ids.collect()
}

#[test]
fn the_dashboard_has_data_and_exemplars_lead_to_traces() {
    const TEST: &str = "the_dashboard_has_data_and_exemplars_lead_to_traces";
    if hopspan_lab::skip_without(TEST, &[("prometheus", "prometheus")]) {
        return;
    }
    let mut fixture = Fixture::start_with("prometheus", &["--detail", "hop"]).unwrap();
    let node = fixture.node().clone();
    let mut prometheus = start(&node, fixture.work_dir());
    let hotrod = fixture.hotrod().unwrap();
    // Failures for the panels that show them.
    let lost = DropRule::insert(&node, "GET /customer", Dropped::First).unwrap();
    for _ in 0..ROUNDS {
        hotrod.dispatch(10, 2).unwrap();
        thread::sleep(ROUND);
    }
    drop(lost);

    let queries = dashboard_queries();
    assert!(queries.len() > 30, "{}", queries.len());
    assert_data(&node, &queries);
    let groups = ask(&node, "rules")["groups"].as_array().unwrap().clone();
    let rules = groups
        .iter()
        .flat_map(|group| group["rules"].as_array().unwrap());
    for rule in rules {
        assert_eq!(rule["health"], "ok", "{rule:#}");
    }
    let histograms = [
        "hopspan_request_duration_seconds_bucket",
        "hopspan_data_plane_duration_seconds_bucket",
        "hopspan_connect_duration_seconds_bucket",
        "hopspan_socket_queue_duration_seconds_bucket",
        "hopspan_hop_duration_seconds_bucket",
    ];
    let exemplars = histograms.map(|metric| (metric, exemplars(&node, metric)));
    prometheus.terminate(DEADLINE).unwrap();

    hotrod.stop().unwrap();
    let outcome = fixture.finish().unwrap();
    for (metric, exemplars) in exemplars {
        assert!(!exemplars.is_empty(), "{metric} has no exemplar");
        for (trace_id, span_id) in exemplars {
            let trace = outcome.traces.0.get(&trace_id);
            let trace = trace.unwrap_or_else(|| panic!("{metric}: no trace {trace_id}"));
            let has_span = trace.spans.iter().any(|span| span.span_id == span_id);
            assert!(has_span, "{metric}: no span {span_id} in {trace:#?}");
        }
    }
    outcome.report().assert_nothing_lost();
}
