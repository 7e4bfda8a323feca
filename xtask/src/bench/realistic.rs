//! What users notice: HotROD at a fixed rate below saturation. In: HotROD in its pods, an open-loop
//! client. Out: latency percentiles with hopspan to without, in pairs A B A B.
//!
//! The application's own time, some of it simulated work, is in the latencies: the ratio is by how
//! much a request gets slower, not what hopspan takes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hopspan_lab::NodeOptions;
use hopspan_lab::hotrod::{self, HotRod, HotRodOptions};
use serde_json::Value;

use super::fixture::agent::{Follows, OTLP_PORT};
use super::fixture::receiver::ReceiverFixture;
use super::outcome::{Outcome, Unit};
use super::settings::Settings;
use super::statistics::{Pair, halves, ratios};
use crate::table::Table;

/// Dispatches a second; each makes 13 requests between services.
const RATE: u32 = 100;
/// The most dispatches at a time: so many that none waits for another.
const CONCURRENCY: u32 = 200;
/// Seconds of one half of a pair: p99.9 of 3,000 dispatches is the third longest.
const SECONDS: u64 = 30;
/// Dispatches before the first pair, which open the connections.
const WARM_UP: u32 = 300;
const GRACE: Duration = Duration::from_secs(60);

/// The quantiles that are compared, and their names in the client's summary.
const QUANTILES: [(&str, &str); 3] = [("p50", "p50_ms"), ("p99", "p99_ms"), ("p999", "p999_ms")];

/// Latencies of one load, milliseconds, in the order of [`QUANTILES`].
type Latencies = [f64; QUANTILES.len()];

/// Measures.
///
/// # Errors
/// When something does not start, or a dispatch fails.
pub(super) fn run(settings: &Settings) -> Result<Outcome> {
    let fixture = ReceiverFixture::start(settings, "realistic", NodeOptions::default())?;
    let receiver = fixture.node.gateway_ip();
    let options = HotRodOptions {
        binary: settings.program("hotrod"),
        otlp_endpoint: Some(format!("http://{receiver}:{OTLP_PORT}")),
        env: vec![("OTEL_EXPORTER_OTLP_PROTOCOL".into(), "http/protobuf".into())],
        before: Vec::new(),
    };
    let hotrod = hotrod::deploy(&fixture.node, &options)?;
    dispatch(&hotrod, WARM_UP)?;
    let dispatches = RATE * u32::try_from(settings.length(SECONDS).as_secs())?;
    let mut pairs: [Vec<Pair>; QUANTILES.len()] = Default::default();
    let title = "realistic: what was seen, with hopspan";
    let mut seen = Table::new(title, &["", "exchanges", "exported", "lost"]);
    for round in 0..settings.rounds {
        settings.note_round(round, "HotROD with and without hopspan");
        settings.settle();
        let without = dispatch(&hotrod, dispatches)?;
        let before = fixture.totals()?;
        let agent = fixture.agent(settings, Follows::Node, &[])?;
        settings.settle();
        let with = dispatch(&hotrod, dispatches)?;
        let report = agent.finish()?;
        let exported = fixture.totals()?.since(before).exchanges;
        for (pairs, (without, with)) in pairs.iter_mut().zip(without.into_iter().zip(with)) {
            pairs.push(Pair { without, with });
        }
        let lost = report.lost_in_kernel()? + report.spans_lost()?;
        let counts = [report.exchanges()?, exported, lost].map(|count| count.to_string());
        let round = [format!("round {}", round + 1)];
        seen.row(round.into_iter().chain(counts).collect());
    }
    hotrod.stop()?;
    Ok(outcome(&pairs, seen))
}

/// Sends dispatches at the rate; their latencies.
fn dispatch(hotrod: &HotRod, dispatches: u32) -> Result<Latencies> {
    let length = Duration::from_secs(u64::from(dispatches.div_ceil(RATE)));
    let summary = hotrod
        .client_command(dispatches, CONCURRENCY)
        .args(["--rate", &RATE.to_string(), "--summary"])
        .run(length + GRACE)?;
    latencies(&summary)
}

fn latencies(summary: &str) -> Result<Latencies> {
    let values: Value = serde_json::from_str(summary.trim()).context("parse the summary")?;
    let failed = values["failed"].as_u64();
    ensure!(failed == Some(0), "{failed:?} dispatches failed: {summary}");
    let mut latencies = Latencies::default();
    for (latency, (_, key)) in latencies.iter_mut().zip(QUANTILES) {
        let value = values[key].as_f64();
        *latency = value.with_context(|| format!("the summary has no {key}: {summary}"))?;
    }
    Ok(latencies)
}

fn outcome(pairs: &[Vec<Pair>; QUANTILES.len()], seen: Table) -> Outcome {
    let mut outcome = Outcome::new("realistic");
    for ((key, _), pairs) in QUANTILES.iter().zip(pairs) {
        let what = format!("{key} latency, with / without");
        outcome.figure(&format!("{key}.ratio"), &what, Unit::Ratio, ratios(pairs));
    }
    for ((key, _), pairs) in QUANTILES.iter().zip(pairs) {
        for (half, values) in halves(pairs) {
            let what = format!("{key} latency, {half}");
            outcome.figure(&format!("{key}.{half}"), &what, Unit::Milliseconds, values);
        }
    }
    outcome.tables.push(seen);
    outcome.note(format!(
        "{RATE} dispatches a second, {} exchanges between services in each second, every trace sampled; a dispatch simulates some milliseconds of work. Latency counts from when a dispatch was due. The application exports its own spans to the same receiver in both halves.",
        13 * RATE
    ));
    outcome
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn latencies_are_read_from_the_summary() {
        let summary = r#"{"dispatches":100,"failed":0,"p50_ms":20.5,"p99_ms":30.0,"p999_ms":31.0,"max_ms":31.0}"#;
        assert_eq!(latencies(summary).unwrap(), [20.5, 30.0, 31.0]);
        let failed = summary.replace("\"failed\":0", "\"failed\":3");
        assert!(latencies(&failed).is_err());
        assert!(latencies(r#"{"failed":0}"#).is_err());
    }
}
