//! What the agent takes in user space. In: nginx under a fixed rate. Out: processor time for each
//! exchange, exported and not, spans a second, bytes a span, memory.

use anyhow::{Result, ensure};

use super::ground::{Agent, Follows, Ground, Paced, Report, Totals, Traceparent};
use super::outcome::{Outcome, Unit};
use super::root::Bench;
use super::start::MEBIBYTE;

/// Exchanges a second: below what the agent sustains, so that none is lost and each costs what it
/// costs.
const EXPORTED_RATE: u32 = 2_000;
const UNEXPORTED_RATE: u32 = 10_000;
/// Seconds of one load.
const SECONDS: u64 = 10;

/// Key, words, and what is sent.
const LOADS: [(&str, &str, Load); 5] = [
    ("unexported", "not exported", unexported(&[])),
    (
        "unexported_followed",
        "not exported and followed all the same (--follow-all)",
        unexported(&["--follow-all"]),
    ),
    ("exported", "exported with all hops", exported(&[])),
    (
        "exported_path",
        "exported, hops as events (--detail path)",
        exported(&["--detail", "path"]),
    ),
    (
        "exported_exchange",
        "exported as one span (--detail exchange)",
        exported(&["--detail", "exchange"]),
    ),
];

const fn unexported(arguments: &'static [&'static str]) -> Load {
    Load {
        traceparent: Traceparent::Sampled(0),
        per_second: UNEXPORTED_RATE,
        seconds: SECONDS,
        arguments,
    }
}

const fn exported(arguments: &'static [&'static str]) -> Load {
    Load {
        traceparent: Traceparent::Sampled(100),
        per_second: EXPORTED_RATE,
        seconds: SECONDS,
        arguments,
    }
}

/// What is sent, and how much of it is told.
pub(super) struct Load {
    pub(super) traceparent: Traceparent,
    pub(super) per_second: u32,
    pub(super) seconds: u64,
    /// The agent's, besides those that every one has.
    pub(super) arguments: &'static [&'static str],
}

/// A load beside an agent that was started for it.
pub(super) struct Loaded {
    pub(super) load: Paced,
    /// The agent's processor time from the load's begin to its end, seconds.
    pub(super) cpu_seconds: f64,
    /// The most memory that the agent ever had resident, bytes.
    pub(super) peak_rss_bytes: u64,
    /// What came of it until the agent had ended.
    pub(super) came: Totals,
    pub(super) report: Report,
}

impl Loaded {
    /// Starts an agent for the pods, loads, and ends it.
    ///
    /// # Errors
    /// When one of them fails.
    pub(super) fn run(bench: &Bench<'_>, ground: &Ground, load: &Load) -> Result<Self> {
        let agent: Agent = ground
            .base
            .agent_with(bench, Follows::Pods, load.arguments)?;
        let before = (ground.base.totals()?, agent.cpu()?);
        let length = bench.length(load.seconds);
        let load = ground.paced(load.traceparent, load.per_second, length)?;
        // A batch that is full is exported at once: what is left for later is less than one.
        let cpu = agent.cpu()? - before.1;
        let peak_rss_bytes = agent.peak_rss_bytes()?;
        let report = agent.finish()?;
        let came = ground.base.totals()?.since(before.0);
        ensure!(load.requests > 0, "no request was answered");
        ensure!(came.refused == 0, "the receiver refused a batch");
        Ok(Self {
            load,
            cpu_seconds: cpu.as_secs_f64(),
            peak_rss_bytes,
            came,
            report,
        })
    }

    /// Microseconds of the agent's processor time for each exchange.
    fn cpu_us(&self) -> f64 {
        self.cpu_seconds * 1e6 / self.load.requests as f64
    }
}

/// Measures.
///
/// # Errors
/// When something does not start, or fails.
pub(super) fn run(bench: &Bench<'_>) -> Result<Outcome> {
    let ground = Ground::start(bench, "userspace")?;
    let mut loads: [Vec<Loaded>; LOADS.len()] = Default::default();
    for round in 0..bench.rounds() {
        bench.round(round, "exchanges that are exported, and that are not");
        for (loaded, (_, _, load)) in loads.iter_mut().zip(&LOADS) {
            loaded.push(Loaded::run(bench, &ground, load)?);
        }
    }
    Ok(told(&loads))
}

fn told(loads: &[Vec<Loaded>; LOADS.len()]) -> Outcome {
    let mut outcome = Outcome::new("userspace");
    let each = |of: &[Loaded], value: &dyn Fn(&Loaded) -> f64| of.iter().map(value).collect();
    for (of, (key, what, _)) in loads.iter().zip(&LOADS) {
        outcome.figure(
            &format!("{key}.cpu"),
            &format!("agent's CPU per exchange, {what}"),
            Unit::Microseconds,
            each(of, &Loaded::cpu_us),
        );
        outcome.figure(
            &format!("{key}.rate"),
            &format!("exchanges, {what}"),
            Unit::PerSecond,
            each(of, &|loaded| {
                loaded.load.requests as f64 / loaded.load.seconds
            }),
        );
        outcome.figure(
            &format!("{key}.peak_rss"),
            &format!("RSS, peak, {what}"),
            Unit::Mebibytes,
            each(of, &|loaded| loaded.peak_rss_bytes as f64 / MEBIBYTE),
        );
    }
    let [_, _, exported, ..] = loads;
    add_spans(&mut outcome, exported);
    outcome.note(
        "Processor time in user space and in system calls, of all the agent's threads. Its programs in the kernel run in the time of whoever sends or receives, and are in `hooks`. What is not exported is HTTP/1 and left out by these programs; over HTTP/2 it is followed, as with --follow-all. Allocations per exchange are in `stages`.",
    );
    outcome
}

fn add_spans(outcome: &mut Outcome, exported: &[Loaded]) {
    let per = |value: fn(&Loaded) -> f64| -> Vec<f64> {
        let spans = |loaded: &Loaded| loaded.came.hopspan_spans as f64;
        let of = exported.iter();
        of.map(|loaded| spans(loaded) / value(loaded)).collect()
    };
    let rate = per(|loaded| loaded.load.seconds);
    let of_exchange = per(|loaded| loaded.came.exchanges as f64);
    let of_request = per(|loaded| loaded.came.hopspan_requests as f64);
    let of_byte = per(|loaded| loaded.came.hopspan_bytes as f64);
    let bytes = of_byte.into_iter().map(|spans| 1.0 / spans).collect();
    let mut figure = |key, what, unit, values| outcome.figure(key, what, unit, values);
    figure("spans.rate", "spans received", Unit::PerSecond, rate);
    figure(
        "spans.per_exchange",
        "spans of an exchange",
        Unit::Count,
        of_exchange,
    );
    figure(
        "spans.bytes",
        "bytes of a span on the wire",
        Unit::Bytes,
        bytes,
    );
    figure("spans.batch", "spans of a request", Unit::Count, of_request);
}
