//! Whether anything is lost at the rates of the budget. In: nginx under a fixed rate, the agent and
//! its receiver on the same machine. Out: what did not arrive, and the rate that the load reached: on
//! a machine that does not carry it, the verdict is about the rate.

use anyhow::Result;

use super::ground::{Ground, Traceparent};
use super::outcome::{Outcome, Unit};
use super::root::Bench;
use super::start::MEBIBYTE;
use super::userspace::{Load, Loaded};

/// A little above the budget's 5,000 and 30,000: the first requests of a load are late, and the rate
/// that counts is the mean.
const EXPORTED_RATE: u32 = 5_100;
const UNEXPORTED_RATE: u32 = 30_600;
/// Seconds of one load: many times what every buffer between the programs and the receiver holds.
const SECONDS: u64 = 20;

/// Measures.
///
/// # Errors
/// When something does not start, or fails.
pub(super) fn run(bench: &Bench<'_>) -> Result<Outcome> {
    let ground = Ground::start(bench, "loss")?;
    let (mut exported, mut unexported) = (Vec::new(), Vec::new());
    for round in 0..bench.rounds() {
        let load = |traceparent, per_second| {
            let load = Load {
                traceparent,
                per_second,
                seconds: SECONDS,
                arguments: &[],
            };
            Loaded::run(bench, &ground, &load)
        };
        bench.round(round, "5,000 exported exchanges a second");
        exported.push(load(Traceparent::Sampled(100), EXPORTED_RATE)?);
        bench.round(round, "30,000 unexported exchanges a second");
        unexported.push(load(Traceparent::Sampled(0), UNEXPORTED_RATE)?);
    }
    let mut outcome = Outcome::new("loss");
    add(&mut outcome, "exported", &exported, |loaded| {
        // Each that was answered has to arrive, and all spans that were made with it.
        let exchanges = loaded.load.requests.saturating_sub(loaded.came.exchanges);
        Ok(exchanges + loaded.report.spans_lost()?)
    })?;
    add(&mut outcome, "unexported", &unexported, |loaded| {
        let seen = loaded.report.exchanges()? + loaded.report.left_out()?;
        Ok(loaded.load.requests.saturating_sub(seen))
    })?;
    let peaks = exported.iter().chain(&unexported);
    outcome.figure(
        "peak_rss",
        "agent's RSS, peak",
        Unit::Mebibytes,
        peaks
            .map(|loaded| loaded.peak_rss_bytes as f64 / MEBIBYTE)
            .collect(),
    );
    outcome.note(
        "Lost are records that did not fit anywhere in the kernel, requests that were answered and neither became an exchange nor were counted as left out, exchanges that were exported and did not arrive, and spans that were dropped. Loader, server, agent and receiver share the processors.",
    );
    Ok(outcome)
}

fn add(
    outcome: &mut Outcome,
    key: &str,
    of: &[Loaded],
    missing: impl Fn(&Loaded) -> Result<u64>,
) -> Result<()> {
    let mut lost = Vec::new();
    for loaded in of {
        let count = loaded.report.lost_in_kernel()? + missing(loaded)?;
        lost.push(count as f64);
    }
    let rates = of
        .iter()
        .map(|loaded| loaded.load.requests as f64 / loaded.load.seconds);
    let unanswered = of.iter().map(|loaded| loaded.load.failed as f64);
    outcome.figure(
        &format!("{key}.lost"),
        &format!("lost, {key}"),
        Unit::Count,
        lost,
    );
    outcome.figure(
        &format!("{key}.rate"),
        &format!("exchanges, {key}"),
        Unit::PerSecond,
        rates.collect(),
    );
    outcome.figure(
        &format!("{key}.failed"),
        &format!("requests that nginx did not answer, {key}"),
        Unit::Count,
        unanswered.collect(),
    );
    outcome.figure(
        &format!("{key}.cpu"),
        &format!("agent's processors in use, {key}, percent of one"),
        Unit::Count,
        of.iter()
            .map(|loaded| 100.0 * loaded.cpu_seconds / loaded.load.seconds)
            .collect(),
    );
    Ok(())
}
