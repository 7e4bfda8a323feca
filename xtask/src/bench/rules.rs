//! What rules cost a new connection. In: kube-proxy's rules for more and more services. Out: the
//! time in netfilter of the packet that opens a connection to the last of them, in both modes, and
//! a plot.

use std::collections::BTreeMap;
use std::fs;
use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hopspan_lab::kube_proxy::{CROWD_ENDPOINTS, ProxyMode, crowd};
use hopspan_lab::{Lab, NodeOptions, Pod, Wiring};
use serde_json::Value;
use tracer_semconv::{HopName, Role};

use super::fixture::agent::{Agent, Follows, OTLP_PORT};
use super::fixture::nginx::{PORT, server_service};
use super::fixture::receiver::LISTEN_LIMIT;
use super::outcome::{Outcome, Unit};
use super::plot::{Axes, Line};
use super::settings::Settings;
use super::statistics::Spread;
use crate::process;
use crate::table::Table;

/// Services before the one that is called.
const SIZES: [u32; 4] = [10, 100, 1_000, 5_000];
const MODES: [ProxyMode; 2] = [ProxyMode::Iptables, ProxyMode::Nftables];
/// Connections for each number of services and round.
const CONNECTIONS: u64 = 100;
/// The first half of the trace ids of `echo load`; the second is the request's number.
const TRACE_PREFIX: &str = "6563686f6563686f";
const LIMIT: Duration = Duration::from_secs(120);
/// The plot's file.
pub(super) const PLOT: &str = "connect-cost.svg";
/// The words of the plot.
pub(super) const AXES: Axes<'_> = Axes {
    title: "What kube-proxy's rules cost a new connection",
    x: "services",
    y: "netfilter hop of the SYN, µs",
};

/// Medians in one mode, microseconds: of each round, by the number of services.
type Medians = BTreeMap<u32, Vec<f64>>;

/// Measures.
///
/// # Errors
/// When something does not start, or the spans of connections are missing.
pub(super) fn run(settings: &Settings) -> Result<Outcome> {
    let mut outcome = Outcome::new("rules");
    for mode in MODES {
        for (services, values) in measure(settings, mode)? {
            let what = format!("{mode}, {services} services");
            let key = format!("{}.{services}", mode.name());
            outcome.figure(&key, &what, Unit::Microseconds, values);
        }
    }
    let table = by_size(&outcome);
    outcome.tables.push(table);
    outcome.note(format!(
        "Each measurement is the median of {CONNECTIONS} connections of a pod to a service behind all others in the rules, routed wiring: the hop netfilter.prerouting of the SYN. The kernel compares a packet with iptables' rules one after the other, and looks it up in nftables' map.",
    ));
    Ok(outcome)
}

fn measure(settings: &Settings, proxy_mode: ProxyMode) -> Result<Medians> {
    let lab = Lab::new(&format!("cargo xtask bench, rules, {proxy_mode}"))?;
    let options = NodeOptions {
        wiring: Wiring::Routed,
        proxy_mode,
        ..NodeOptions::default()
    };
    let node = lab.node_with("node", options)?;
    let (client, server) = (node.pod("bench", "client")?, node.pod("bench", "server")?);
    let mut echo = server
        .command(settings.program("echo"))
        .args(["server", "--listen", &format!("0.0.0.0:{PORT}")])
        .spawn()?;
    echo.wait_listening(PORT, LISTEN_LIMIT)?;
    let service = server_service([&server]);
    let spans = lab.work_dir().join("spans.jsonl");
    let mut viewer = node
        .command(settings.program("hopspan"))
        .args(["view", "--grpc", "127.0.0.1:4317"])
        .args(["--http", &format!("127.0.0.1:{OTLP_PORT}")])
        .args(["--at-end", "--waterfalls", "0", "--json"])
        .arg(&spans)
        .spawn()?;
    viewer.wait_listening(OTLP_PORT, LISTEN_LIMIT)?;
    let agent = Agent::command(settings, &node, Follows::Pods);
    let mut agent = Agent::start(agent, &node, lab.work_dir().join("report.json"))?;
    // The number of services, and of the first request with so many.
    let mut firsts = Vec::new();
    for round in 0..settings.rounds {
        for services in SIZES {
            settings.note_round(round, &format!("{services} services in {proxy_mode} mode"));
            let mut all = crowd(services)?;
            all.push(service.clone());
            node.apply_services(&all)?;
            // Reading them takes the agent a processor.
            agent.wait_for_rules(services as usize * CROWD_ENDPOINTS + 1)?;
            let first = 1 + CONNECTIONS * firsts.len() as u64;
            connect(settings, &client, service.address(), first)?;
            firsts.push((services, first));
        }
    }
    agent.finish()?;
    process::end(&mut viewer, LIMIT)?;
    medians(&firsts, &hops(&spans)?)
}

/// Opens connections one after the other, each with one request.
fn connect(settings: &Settings, client: &Pod, to: SocketAddr, first: u64) -> Result<()> {
    let connections = CONNECTIONS.to_string();
    client
        .command(settings.program("echo"))
        .args(["load", "--protocol", "h1", "--connections", &connections])
        .args(["--requests", &connections, "--first", &first.to_string()])
        .args(["--url", &format!("http://{to}")])
        .run(LIMIT)?;
    Ok(())
}

/// The medians of the hops of each first request and those after it.
fn medians(firsts: &[(u32, u64)], hops: &BTreeMap<u64, f64>) -> Result<Medians> {
    let mut medians = Medians::new();
    for (services, first) in firsts {
        let hops = hops.range(first..&(first + CONNECTIONS));
        let hops: Vec<f64> = hops.map(|(_, hop_ns)| *hop_ns).collect();
        ensure!(
            hops.len() as u64 >= CONNECTIONS * 9 / 10,
            "only {} of {CONNECTIONS} connections were seen with {services} services",
            hops.len(),
        );
        let spread = Spread::of(&hops).context("no connection was seen")?;
        let of_size = medians.entry(*services).or_default();
        of_size.push(spread.median / 1000.0);
    }
    Ok(medians)
}

/// The time of each SYN in PREROUTING, nanoseconds, by the number of its request. Reads lines of
/// OTLP/JSON.
fn hops(path: &Path) -> Result<BTreeMap<u64, f64>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let (mut connects, mut hops) = (BTreeMap::new(), BTreeMap::new());
    for line in text.lines() {
        let export: Value = serde_json::from_str(line).context("parse a line of spans")?;
        for span in spans(&export) {
            if attribute(span, tracer_semconv::attribute::ROLE) == Some(Role::Connect.as_str()) {
                let ids = (span["traceId"].as_str(), span["spanId"].as_str());
                if let (Some(number), Some(id)) = (ids.0.and_then(number), ids.1) {
                    connects.insert(id.to_owned(), number);
                }
            } else if attribute(span, tracer_semconv::attribute::HOP)
                == Some(HopName::Prerouting.as_str())
            {
                let parent = span["parentSpanId"].as_str().unwrap_or_default();
                let hop = times(span).with_context(|| format!("no times in {span}"))?;
                // The SYN's is the first; the SYN-ACK passes the hook, too.
                let first = hops.entry(parent.to_owned()).or_insert(hop);
                *first = hop.min(*first);
            }
        }
    }
    let of_connect = |(parent, (start_ns, end_ns)): (String, (u64, u64))| {
        let time = end_ns.checked_sub(start_ns)?;
        Some((*connects.get(&parent)?, time as f64))
    };
    Ok(hops.into_iter().filter_map(of_connect).collect())
}

fn spans(export: &Value) -> impl Iterator<Item = &Value> {
    elements(&export["resourceSpans"])
        .flat_map(|resource| elements(&resource["scopeSpans"]))
        .flat_map(|scope| elements(&scope["spans"]))
}

/// The elements of an array; none of any other value.
fn elements(of: &Value) -> impl Iterator<Item = &Value> {
    of.as_array().into_iter().flatten()
}

/// An attribute of a span that is a string.
fn attribute<'a>(span: &'a Value, key: &str) -> Option<&'a str> {
    let attributes = span["attributes"].as_array()?;
    let attribute = attributes.iter().find(|of| of["key"] == key)?;
    attribute["value"]["stringValue"].as_str()
}

/// The number of a request, from the id of its trace.
fn number(trace_id: &str) -> Option<u64> {
    u64::from_str_radix(trace_id.strip_prefix(TRACE_PREFIX)?, 16).ok()
}

/// Start and end, nanoseconds. OTLP/JSON writes 64-bit numbers as text.
fn times(span: &Value) -> Option<(u64, u64)> {
    let at = |key: &str| span[key].as_str()?.parse::<u64>().ok();
    Some((at("startTimeUnixNano")?, at("endTimeUnixNano")?))
}

/// A row for each number of services.
fn by_size(outcome: &Outcome) -> Table {
    let columns: Vec<String> = MODES.iter().map(|mode| format!("{mode}, µs")).collect();
    let columns: Vec<&str> = std::iter::once("services")
        .chain(columns.iter().map(String::as_str))
        .collect();
    let mut table = Table::new(
        "rules: netfilter hop of a SYN, median of the rounds",
        &columns,
    );
    for services in SIZES {
        let mut row = vec![services.to_string()];
        row.extend(MODES.map(|mode| {
            let median = median(outcome, mode, services);
            median.map_or("-".to_owned(), |median| Unit::Microseconds.write(median))
        }));
        table.row(row);
    }
    table
}

fn median(outcome: &Outcome, mode: ProxyMode, services: u32) -> Option<f64> {
    let key = format!("rules.{}.{services}", mode.name());
    let figure = outcome.figures.iter().find(|figure| figure.key == key)?;
    Some(Spread::of(&figure.values)?.median)
}

/// The lines of the plot, where this outcome has all of their points.
pub(super) fn lines(outcome: &Outcome) -> Option<Vec<Line>> {
    let line = |mode: ProxyMode| {
        let points: Option<Vec<(f64, f64)>> = SIZES
            .iter()
            .map(|services| Some((f64::from(*services), median(outcome, mode, *services)?)))
            .collect();
        Some(Line {
            name: mode.name().to_owned(),
            points: points?,
        })
    };
    MODES.into_iter().map(line).collect()
}

/// An outcome that has every point of the plot, all the same.
#[cfg(test)]
pub(super) fn flat(time: f64) -> Outcome {
    let mut outcome = Outcome::new("rules");
    for mode in MODES {
        for services in SIZES {
            let key = format!("{}.{services}", mode.name());
            outcome.figure(&key, "", Unit::Microseconds, vec![time; 7]);
        }
    }
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_hop_of_a_connect_is_found_in_lines_of_spans() {
        let span = |id: &str, parent: &str, times: [&str; 2], (key, value): (&str, &str)| {
            serde_json::json!({
                "traceId": "6563686f6563686f000000000000002a", "spanId": id, "parentSpanId": parent,
                "startTimeUnixNano": times[0], "endTimeUnixNano": times[1],
                "attributes": [{"key": key, "value": {"stringValue": value}}],
            })
        };
        let line = |spans: Vec<Value>| {
            serde_json::json!({"resourceSpans": [{"scopeSpans": [{"spans": spans}]}]}).to_string()
        };
        let hop = ("hopspan.hop", "netfilter.prerouting");
        let lines = [
            // A hop may come before its parent; the SYN-ACK has one, and so has a request.
            line(vec![
                span("0e", "0c", ["9000", "9500"], hop),
                span("0a", "0c", ["1000", "3500"], hop),
                span("0b", "0d", ["500", "501"], hop),
            ]),
            line(vec![span(
                "0c",
                "01",
                ["1", "9999"],
                ("hopspan.role", "connect"),
            )]),
        ];
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("spans.jsonl");
        fs::write(&path, lines.join("\n")).unwrap();
        assert_eq!(hops(&path).unwrap(), BTreeMap::from([(42, 2500.0)]));
    }

    #[test]
    fn lines_are_drawn_when_every_point_was_measured() {
        let mut outcome = flat(7.0);
        let lines = lines(&outcome).unwrap();
        assert_eq!(lines.len(), 2);
        assert_eq!(lines[0].points.last(), Some(&(5000.0, 7.0)));
        assert!(by_size(&outcome).text().contains("5000"));
        outcome.figures.pop();
        assert_eq!(super::lines(&outcome), None);
    }
}
