//! What starting costs, and an agent that has nothing to do. In: a lab without traffic. Out: the time
//! from exec to all hooks attached, memory, bytes of kernel maps.

use std::thread;
use std::time::Duration;

use anyhow::Result;
use hopspan_lab::NodeOptions;

use super::ground::{Follows, Receiving};
use super::outcome::{Outcome, Unit};
use super::root::Bench;

/// How long an agent idles before its memory is looked at.
const IDLE: u64 = 5;
/// A mebibyte, in bytes.
pub(super) const MEBIBYTE: f64 = (1 << 20) as f64;

/// Starts agents, one after the other.
///
/// # Errors
/// When one does not start or end.
pub(super) fn run(bench: &Bench<'_>) -> Result<Outcome> {
    let ground = Receiving::start(bench, "start", NodeOptions::default())?;
    let (mut attached, mut idle, mut cpu, mut maps) = (vec![], vec![], vec![], vec![]);
    let mut idle_cpu = vec![];
    for _ in 0..bench.rounds() {
        let agent = ground.agent(bench, Follows::Node)?;
        attached.push(milliseconds(agent.attached_after));
        let started = agent.cpu()?;
        cpu.push(milliseconds(started));
        let length = bench.length(IDLE);
        thread::sleep(length);
        idle_cpu.push(milliseconds(agent.cpu()? - started) / length.as_secs_f64());
        idle.push(agent.rss_bytes()? as f64 / MEBIBYTE);
        maps.push(agent.map_bytes()? as f64 / MEBIBYTE);
        agent.finish()?;
    }
    let mut outcome = Outcome::new("start");
    let mut figure = |key, what, unit, values| outcome.figure(key, what, unit, values);
    figure(
        "attached",
        "exec to all hooks attached",
        Unit::Milliseconds,
        attached,
    );
    figure("cpu", "processor time of that", Unit::Milliseconds, cpu);
    figure("idle_rss", "RSS, idle", Unit::Mebibytes, idle);
    figure(
        "idle_cpu",
        "processor time of a second, idle",
        Unit::Milliseconds,
        idle_cpu,
    );
    figure("maps", "kernel maps", Unit::Mebibytes, maps);
    outcome.note(
        "Until the agent says that it is attached it has also read kube-proxy's rules once. The verifier takes most of the time, and works in the agent's own, on as many processors as there are. Processor time has a resolution of 10 ms: of a second, idle, of 2 ms.",
    );
    Ok(outcome)
}

/// A time in milliseconds.
pub(super) fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1000.0
}
