//! What a start costs, and an agent without traffic. In: a lab without traffic. Out: the time from
//! exec to all hooks attached, memory, bytes of kernel maps.

use std::thread;

use anyhow::Result;
use hopspan_lab::NodeOptions;

use super::fixture::agent::Follows;
use super::fixture::receiver::ReceiverFixture;
use super::outcome::{Outcome, Unit, mebibytes, milliseconds};
use super::settings::Settings;

/// How long an agent idles before its memory is read.
const IDLE_SECONDS: u64 = 5;

/// Starts agents, one after the other.
///
/// # Errors
/// When one does not start or end.
pub(super) fn run(settings: &Settings) -> Result<Outcome> {
    let fixture = ReceiverFixture::start(settings, "start", NodeOptions::default())?;
    let mut figures: [(&str, &str, Unit, Vec<f64>); 5] = [
        (
            "attached",
            "exec to all hooks attached",
            Unit::Milliseconds,
            vec![],
        ),
        ("cpu", "processor time of that", Unit::Milliseconds, vec![]),
        ("idle_rss", "RSS, idle", Unit::Mebibytes, vec![]),
        (
            "idle_cpu",
            "processor time of a second, idle",
            Unit::Milliseconds,
            vec![],
        ),
        ("maps", "kernel maps", Unit::Mebibytes, vec![]),
    ];
    for _ in 0..settings.rounds {
        let agent = fixture.agent(settings, Follows::Node, &[])?;
        let start_cpu = agent.cpu_time()?;
        let idle = settings.length(IDLE_SECONDS);
        thread::sleep(idle);
        let idle_cpu = agent.cpu_time()? - start_cpu;
        let values = [
            milliseconds(agent.ready_after),
            milliseconds(start_cpu),
            mebibytes(agent.rss_bytes()?),
            milliseconds(idle_cpu) / idle.as_secs_f64(),
            mebibytes(agent.map_bytes()?),
        ];
        for ((.., to), value) in figures.iter_mut().zip(values) {
            to.push(value);
        }
        agent.finish()?;
    }
    let mut outcome = Outcome::new("start");
    for (key, what, unit, values) in figures {
        outcome.figure(key, what, unit, values);
    }
    outcome.note(
        "Before /readyz reports an agent as ready it has also read kube-proxy's rules once. The verifier takes most of the time, and works in the agent's own, on as many processors as there are. Processor time has a resolution of 10 ms: of a second, idle, of 2 ms.",
    );
    Ok(outcome)
}
