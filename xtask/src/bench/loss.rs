//! Whether anything is lost at the rates of the budgets. In: nginx under a fixed rate, the agent
//! and its receiver on the same machine. Out: what did not arrive, and the rate that the load
//! reached: where the machine does not carry the load, the budget of the rate shows it.

use anyhow::Result;

use super::fixture::nginx::NginxFixture;
use super::fixture::paced_load::{PacedLoad, PacedResult};
use super::fixture::traceparent::Traceparent;
use super::outcome::{Outcome, Unit, mebibytes};
use super::settings::Settings;

/// A little above the 5,000 and 30,000 of the budgets: the first requests of a load are late, and
/// the mean rate counts.
const EXPORTED_RATE: u32 = 5_100;
const UNEXPORTED_RATE: u32 = 30_600;
/// Many times what all buffers between the programs and the receiver hold.
const SECONDS: u64 = 20;

/// Measures.
///
/// # Errors
/// When something does not start, or fails.
pub(super) fn run(settings: &Settings) -> Result<Outcome> {
    let fixture = NginxFixture::start(settings, "loss")?;
    let (mut exported, mut unexported) = (Vec::new(), Vec::new());
    for round in 0..settings.rounds {
        let measure = |traceparent, per_second| {
            let load = PacedLoad {
                traceparent,
                per_second,
                seconds: SECONDS,
                arguments: &[],
            };
            fixture.measure(settings, &load)
        };
        settings.note_round(round, "5,000 exported exchanges a second");
        exported.push(measure(Traceparent::Sampled(100), EXPORTED_RATE)?);
        settings.note_round(round, "30,000 unexported exchanges a second");
        unexported.push(measure(Traceparent::Sampled(0), UNEXPORTED_RATE)?);
    }
    let mut outcome = Outcome::new("loss");
    add(&mut outcome, "exported", &exported, |result| {
        // Each request with a response has to arrive as an exchange, with all its spans.
        let exchanges = result
            .h2load
            .answered
            .saturating_sub(result.received.exchanges);
        Ok(exchanges + result.report.spans_lost()?)
    })?;
    add(&mut outcome, "unexported", &unexported, |result| {
        let seen = result.report.exchanges()? + result.report.left_out()?;
        Ok(result.h2load.answered.saturating_sub(seen))
    })?;
    let peaks = exported.iter().chain(&unexported);
    let peaks = peaks
        .map(|result| mebibytes(result.peak_rss_bytes))
        .collect();
    outcome.figure("peak_rss", "agent's RSS, peak", Unit::Mebibytes, peaks);
    outcome.note(
        "Lost are: records for which the kernel had no room, requests with a response that neither became an exchange nor were counted as left out, exchanges that were exported and did not arrive, and spans that were dropped. Load, server, agent and receiver share the processors.",
    );
    Ok(outcome)
}

fn add(
    outcome: &mut Outcome,
    key: &str,
    results: &[PacedResult],
    missing: impl Fn(&PacedResult) -> Result<u64>,
) -> Result<()> {
    let lost =
        |result: &PacedResult| Ok((result.report.lost_in_kernel()? + missing(result)?) as f64);
    let lost = results.iter().map(lost).collect::<Result<_>>()?;
    let mut add = |name: &str, what: String, unit, values| {
        outcome.figure(&format!("{key}.{name}"), &what, unit, values);
    };
    let each = |value: fn(&PacedResult) -> f64| results.iter().map(value).collect();
    add("lost", format!("lost, {key}"), Unit::Count, lost);
    let rates = each(PacedResult::rate);
    add("rate", format!("exchanges, {key}"), Unit::PerSecond, rates);
    let failed = each(|result| result.h2load.failed as f64);
    let what = format!("requests that nginx did not answer, {key}");
    add("failed", what, Unit::Count, failed);
    let cpu = each(|result| 100.0 * result.cpu_seconds / result.h2load.seconds);
    let what = format!("agent's processors in use, {key}, percent of one");
    add("cpu", what, Unit::Count, cpu);
    Ok(())
}
