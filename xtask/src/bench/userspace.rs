//! What the agent takes in user space. In: nginx under a fixed rate. Out: processor time for each
//! exchange, exported and not, its spans and bytes, memory.

use anyhow::Result;

use super::fixture::nginx::NginxFixture;
use super::fixture::paced_load::{PacedLoad, PacedResult};
use super::fixture::traceparent::Traceparent;
use super::outcome::{Outcome, Unit, mebibytes};
use super::settings::Settings;

/// Exchanges a second: fewer than the agent sustains, so that none is lost and the cost of each is
/// its own.
const EXPORTED_RATE: u32 = 2_000;
const UNEXPORTED_RATE: u32 = 10_000;

/// Key, words, and what is sent.
const LOADS: [(&str, &str, PacedLoad); 5] = [
    ("unexported", "not exported", unexported(&[])),
    (
        "unexported_followed",
        "not exported and followed all the same (--follow-all)",
        unexported(&["--follow-all"]),
    ),
    (
        "exported",
        "exported with all hops (--detail hop)",
        exported(&["--detail", "hop"]),
    ),
    (
        "exported_path",
        "exported without hop spans (--detail path)",
        exported(&["--detail", "path"]),
    ),
    ("exported_auto", "exported (--detail auto)", exported(&[])),
];

const fn unexported(arguments: &'static [&'static str]) -> PacedLoad {
    PacedLoad {
        traceparent: Traceparent::Sampled(0),
        per_second: UNEXPORTED_RATE,
        seconds: 10,
        arguments,
    }
}

const fn exported(arguments: &'static [&'static str]) -> PacedLoad {
    PacedLoad {
        traceparent: Traceparent::Sampled(100),
        per_second: EXPORTED_RATE,
        ..unexported(arguments)
    }
}

/// Measures.
///
/// # Errors
/// When something does not start, or fails.
pub(super) fn run(settings: &Settings) -> Result<Outcome> {
    let fixture = NginxFixture::start(settings, "userspace")?;
    let mut results: [Vec<PacedResult>; LOADS.len()] = Default::default();
    for round in 0..settings.rounds {
        settings.note_round(round, "exchanges that are exported, and that are not");
        for (results, (_, _, load)) in results.iter_mut().zip(&LOADS) {
            results.push(fixture.measure(settings, load)?);
        }
    }
    Ok(outcome(&results))
}

fn outcome(results: &[Vec<PacedResult>; LOADS.len()]) -> Outcome {
    let mut outcome = Outcome::new("userspace");
    let mut add = |key: &str, what: &str, unit, results: &[PacedResult], value: Quantity| {
        outcome.figure(key, what, unit, results.iter().map(value).collect());
    };
    for (results, (key, what, _)) in results.iter().zip(&LOADS) {
        let what_cpu = format!("agent's CPU per exchange, {what}");
        let cpu: Quantity = |result| result.cpu_seconds * 1e6 / result.h2load.answered as f64;
        add(
            &format!("{key}.cpu"),
            &what_cpu,
            Unit::Microseconds,
            results,
            cpu,
        );
        let what_rate = format!("exchanges, {what}");
        let rate: Quantity = PacedResult::rate;
        add(
            &format!("{key}.rate"),
            &what_rate,
            Unit::PerSecond,
            results,
            rate,
        );
        let what_rss = format!("RSS, peak, {what}");
        let rss: Quantity = |result| mebibytes(result.peak_rss_bytes);
        add(
            &format!("{key}.peak_rss"),
            &what_rss,
            Unit::Mebibytes,
            results,
            rss,
        );
    }
    let [_, _, exported @ ..] = results;
    for (results, (key, what, _)) in exported.iter().zip(&LOADS[2..]) {
        let spans: Quantity = |result| result.spans() / result.received.exchanges as f64;
        add(
            &format!("{key}.spans"),
            &format!("spans of an exchange, {what}"),
            Unit::Ratio,
            results,
            spans,
        );
        let bytes: Quantity =
            |result| result.received.hopspan_bytes as f64 / result.received.exchanges as f64;
        add(
            &format!("{key}.bytes"),
            &format!("bytes of an exchange on the wire, {what}"),
            Unit::Bytes,
            results,
            bytes,
        );
    }
    let rate: Quantity = |result| result.spans() / result.h2load.seconds;
    let what = "spans received, exported with all hops";
    add("spans.rate", what, Unit::PerSecond, &results[2], rate);
    outcome.note(
        "Processor time in user space and in system calls, of all the agent's threads. Its programs in the kernel run in the time of the sender or receiver of a packet, and are in `hooks`. Exchanges that are not exported are HTTP/1, and these programs leave them out; over HTTP/2 they are followed, as with --follow-all. Allocations per exchange are in `stages`.",
    );
    outcome
}

/// One number of a result.
type Quantity = fn(&PacedResult) -> f64;
