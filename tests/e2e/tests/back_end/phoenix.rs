//! Arize Phoenix, a back end of another project, in a pod of its own.
//!
//! In: a fixture. Out: an address that takes OTLP, and every span that Phoenix has stored, by its
//! REST API. Phoenix ends with its process, which dies with the test.

use std::{
    collections::BTreeMap,
    net::{IpAddr, Ipv4Addr, SocketAddr},
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, Result, ensure};
use hopspan_e2e::{Fixture, Span};
use hopspan_lab::{HttpClient, Node, Process};
use serde_json::Value;

/// Where `cargo xtask test back-end` makes it.
const PYTHON: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../target/tools/venv-back-end/bin/python3"
);
const OTLP_GRPC_PORT: u16 = 4317;
/// Phoenix serves OTLP over HTTP, its API and its pages on one port.
const HTTP_PORT: u16 = 4318;
/// Phoenix imports hundreds of modules and migrates its database, on a machine that may be
/// compiling beside it.
const START_LIMIT: Duration = Duration::from_secs(300);
const STOP_LIMIT: Duration = Duration::from_secs(60);
/// How long Phoenix may take to store what it has accepted: it inserts in the background.
const STORE_LIMIT: Duration = Duration::from_secs(120);
const STORE_POLL: Duration = Duration::from_secs(1);
/// How long to wait for more spans than were sent.
const MORE_LIMIT: Duration = Duration::from_secs(3);
/// The most that Phoenix gives at once.
const PAGE_SPANS: usize = 1_000;

pub(crate) struct Phoenix {
    process: Process,
    /// From which it is asked.
    node: Node,
    ip: Ipv4Addr,
}

impl Phoenix {
    /// Whether it is installed; prints that `test` is skipped if not.
    pub(crate) fn is_installed(test: &str) -> bool {
        let has_phoenix = std::process::Command::new(PYTHON)
            .args([
                "-c",
                "import importlib.metadata as m; m.version('arize-phoenix')",
            ])
            .stderr(Stdio::null())
            .status()
            .is_ok_and(|status| status.success());
        if !has_phoenix {
            let remedy = "`cargo xtask test back-end` installs it";
            hopspan_lab::print_skip(test, &format!("{PYTHON} has no arize-phoenix: {remedy}"));
        }
        has_phoenix
    }

    /// Starts it on the first node, with a database in the fixture's directory.
    pub(crate) fn start(fixture: &Fixture) -> Result<Self> {
        let node = fixture.node().clone();
        let pod = node.pod("phoenix", "phoenix-0")?;
        let directory = fixture.work_dir().join("phoenix");
        std::fs::create_dir(&directory).context("make a directory for Phoenix")?;
        let mut process = pod
            .command(PYTHON)
            .args(["-m", "phoenix.server.main", "serve"])
            .env("PHOENIX_WORKING_DIR", &directory)
            .env("PHOENIX_SQL_DATABASE_URL", database(&directory))
            .env("PHOENIX_HOST", "0.0.0.0")
            .env("PHOENIX_PORT", HTTP_PORT.to_string())
            .env("PHOENIX_GRPC_PORT", OTLP_GRPC_PORT.to_string())
            .env("PHOENIX_ENABLE_AUTH", "false")
            .env("PHOENIX_TELEMETRY_ENABLED", "false")
            .spawn()?;
        process.wait_listening(OTLP_GRPC_PORT, START_LIMIT)?;
        process.wait_listening(HTTP_PORT, START_LIMIT)?;
        Ok(Self {
            process,
            node,
            ip: pod.ip(),
        })
    }

    /// Where it takes OTLP, on the ports that [`Fixture::export_to`] needs.
    pub(crate) fn ip(&self) -> Ipv4Addr {
        self.ip
    }

    /// Waits until it has stored so many spans, and a little longer for more. Returns all, in no
    /// particular order.
    pub(crate) fn wait_for_spans(&self, expected: usize) -> Result<Vec<Span>> {
        let deadline = Instant::now() + STORE_LIMIT;
        while self.spans()?.len() < expected && Instant::now() < deadline {
            std::thread::sleep(STORE_POLL);
        }
        std::thread::sleep(MORE_LIMIT);
        self.spans()
    }

    /// Ends it. After a failed test dropping it does.
    pub(crate) fn end(mut self) -> Result<()> {
        self.process.terminate(STOP_LIMIT)?;
        Ok(())
    }

    /// Every span that it has.
    fn spans(&self) -> Result<Vec<Span>> {
        // It closes a connection that is idle for some seconds.
        let address = SocketAddr::new(IpAddr::V4(self.ip), HTTP_PORT);
        let mut http = HttpClient::connect_to(&self.node, address)?;
        let first = format!("/v1/projects/default/spans/otlpv1?limit={PAGE_SPANS}");
        let mut spans = Vec::new();
        let mut path = first.clone();
        loop {
            let response = http.get(&path)?;
            // There is no project before its first span.
            if response.status == 404 && spans.is_empty() {
                return Ok(spans);
            }
            ensure!(response.status == 200, "GET {path}: {response:?}");
            let page: Value = serde_json::from_str(&response.body).context("read a page")?;
            let of_page = page["data"].as_array().context("a page without data")?;
            for span in of_page {
                spans.push(stored(span).with_context(|| format!("not a span: {span}"))?);
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => path = format!("{first}&cursor={cursor}"),
                None => return Ok(spans),
            }
        }
    }
}

fn database(directory: &Path) -> String {
    format!("sqlite:///{}/phoenix.db", directory.display())
}

/// A span in Phoenix's JSON. It has no kind, scope or resource: Phoenix does not keep them.
fn stored(span: &Value) -> Option<Span> {
    let text = |key: &str| Some(span[key].as_str()?.to_owned());
    Some(Span {
        trace_id: text("trace_id")?,
        span_id: text("span_id")?,
        parent_id: text("parent_span_id").unwrap_or_default(),
        name: text("name")?,
        start_ns: span["start_time_unix_nano"].as_u64()?,
        end_ns: span["end_time_unix_nano"].as_u64()?,
        attributes: texts(&span["attributes"]),
        events: each(&span["events"])
            .filter_map(|event| Some(event["name"].as_str()?.to_owned()))
            .collect(),
        event_attributes: each(&span["events"])
            .map(|event| texts(&event["attributes"]))
            .collect(),
        status: span["status"]["code"].as_i64()?.try_into().ok()?,
        ..Span::default()
    })
}

fn texts(attributes: &Value) -> BTreeMap<String, String> {
    each(attributes)
        .filter_map(|attribute| Some((attribute["key"].as_str()?.to_owned(), text(attribute))))
        .collect()
}

/// The value of an attribute, whose type is the only key that is not null.
fn text(attribute: &Value) -> String {
    let value = attribute["value"].as_object();
    let value = value.and_then(|value| value.values().find(|value| !value.is_null()));
    match value {
        Some(Value::String(text)) => text.clone(),
        Some(other) => other.to_string(),
        None => String::new(),
    }
}

fn each(list: &Value) -> impl Iterator<Item = &Value> {
    list.as_array().into_iter().flatten()
}
