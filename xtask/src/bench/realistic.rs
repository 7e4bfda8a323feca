//! What users notice: HotROD at a fixed rate below saturation. In: the application in its pods, an
//! open-loop client. Out: latency percentiles with hopspan to without, in pairs A B A B.
//!
//! The application's own time, some of it simulated work, is in the latencies: this is what a request
//! gets slower, not what hopspan takes.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use hopspan_lab::NodeOptions;
use hopspan_lab::hotrod::{self, HotRod, HotRodOptions};
use serde_json::Value;

use super::ground::{Follows, OTLP_PORT, Receiving};
use super::outcome::{Outcome, Unit};
use super::root::Bench;
use super::statistics::{Pair, halves, ratios};
use crate::table::Table;

/// Dispatches a second; each makes 13 requests between services.
const RATE: u32 = 100;
/// Dispatches that may be under way: many more than are, so that none waits for another.
const CONCURRENCY: u32 = 200;
/// Seconds of one half of a pair: p99.9 of 3,000 dispatches is the third longest.
const SECONDS: u64 = 30;
/// Dispatches before the first pair, which open the connections.
const WARM_UP: u32 = 300;
const GRACE: Duration = Duration::from_secs(60);

/// What of a latency is compared, and its name in the client's summary.
const QUANTILES: [(&str, &str); 3] = [("p50", "p50_ms"), ("p99", "p99_ms"), ("p999", "p999_ms")];

/// Latencies of one load, milliseconds, in the order of [`QUANTILES`].
type Latencies = [f64; QUANTILES.len()];

/// Measures.
///
/// # Errors
/// When something does not start, or a dispatch fails.
pub(super) fn run(bench: &Bench<'_>) -> Result<Outcome> {
    let ground = Receiving::start(bench, "realistic", NodeOptions::default())?;
    let options = HotRodOptions {
        binary: bench.program("hotrod"),
        otlp_endpoint: Some(format!("http://{}:{OTLP_PORT}", ground.node.gateway_ip())),
        env: vec![("OTEL_EXPORTER_OTLP_PROTOCOL".into(), "http/protobuf".into())],
        before: Vec::new(),
    };
    let hotrod = hotrod::deploy(&ground.node, &options)?;
    dispatch(&hotrod, WARM_UP)?;
    let dispatches = RATE * u32::try_from(bench.length(SECONDS).as_secs())?;
    let mut pairs: [Vec<Pair>; QUANTILES.len()] = Default::default();
    let mut seen = Table::new(
        "realistic: what was seen, with hopspan",
        &["", "exchanges", "exported", "lost"],
    );
    for round in 0..bench.rounds() {
        bench.round(round, "HotROD with and without hopspan");
        bench.settle();
        let without = dispatch(&hotrod, dispatches)?;
        let before = ground.totals()?;
        let agent = ground.agent(bench, Follows::Node)?;
        bench.settle();
        let with = dispatch(&hotrod, dispatches)?;
        let report = agent.finish()?;
        let came = ground.totals()?.since(before);
        for (pairs, (without, with)) in pairs.iter_mut().zip(without.into_iter().zip(with)) {
            pairs.push(Pair { without, with });
        }
        let lost = report.lost_in_kernel()? + report.spans_lost()?;
        let counts = [report.exchanges()?, came.exchanges, lost];
        let round = format!("round {}", round + 1);
        seen.row(
            [round]
                .into_iter()
                .chain(counts.map(|count| count.to_string()))
                .collect(),
        );
    }
    hotrod.stop()?;
    Ok(told(&pairs, seen))
}

/// Sends dispatches at the rate; their latencies.
fn dispatch(hotrod: &HotRod, dispatches: u32) -> Result<Latencies> {
    let length = Duration::from_secs(u64::from(dispatches.div_ceil(RATE)));
    let said = hotrod
        .client_command(dispatches, CONCURRENCY)
        .args(["--rate", &RATE.to_string(), "--summary"])
        .run(length + GRACE)?;
    latencies(&said)
}

fn latencies(said: &str) -> Result<Latencies> {
    let summary: Value = serde_json::from_str(said.trim()).context("understand the client")?;
    let failed = summary["failed"].as_u64();
    ensure!(failed == Some(0), "{failed:?} dispatches failed: {said}");
    let mut latencies = Latencies::default();
    for (latency, (_, key)) in latencies.iter_mut().zip(QUANTILES) {
        let value = summary[key].as_f64();
        *latency = value.with_context(|| format!("the client does not tell {key}: {said}"))?;
    }
    Ok(latencies)
}

fn told(pairs: &[Vec<Pair>; QUANTILES.len()], seen: Table) -> Outcome {
    let mut outcome = Outcome::new("realistic");
    for ((key, _), pairs) in QUANTILES.iter().zip(pairs) {
        let what = format!("{key} latency, with / without");
        outcome.figure(&format!("{key}.ratio"), &what, Unit::Ratio, ratios(pairs));
    }
    for ((key, _), pairs) in QUANTILES.iter().zip(pairs) {
        for (half, values) in halves(pairs) {
            outcome.figure(
                &format!("{key}.{half}"),
                &format!("{key} latency, {half}"),
                Unit::Milliseconds,
                values,
            );
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
        let said = r#"{"dispatches":100,"failed":0,"p50_ms":20.5,"p99_ms":30.0,"p999_ms":31.0,"max_ms":31.0}"#;
        assert_eq!(latencies(said).unwrap(), [20.5, 30.0, 31.0]);
        let failed = said.replace("\"failed\":0", "\"failed\":3");
        assert!(latencies(&failed).is_err());
        assert!(latencies(r#"{"failed":0}"#).is_err());
    }
}
