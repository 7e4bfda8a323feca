//! What each program costs the kernel. In: mixes of traffic that take one path through the programs
//! each. Out: nanoseconds a run, net of measuring it, by hook and kind of packet.
//!
//! A run of a program is for a packet of interest (a hit) or for another (a miss), and the programs
//! count the hits. A mix without hits gives the cost of a miss; of a mix with both, the time beyond
//! its misses is the hits'.

mod cost;
mod mix;
mod part;
mod snapshot;

use std::collections::BTreeMap;
use std::path::Path;

use anyhow::Result;
use hopspan_lab::Process;

use super::fixture::agent::Follows;
use super::fixture::nginx::NginxFixture;
use super::outcome::{Outcome, Unit};
use super::settings::Settings;
use super::statistics::Spread;
use crate::process::Wait;
use crate::table::Table;
use cost::Costs;
use mix::{Mix, Traffic};
use part::Part;
use snapshot::Snapshot;

/// One number of a round.
type Quantity<'a> = &'a dyn Fn(&Costs) -> Option<f64>;

/// Measures.
///
/// # Errors
/// When something does not start, or the kernel does not measure.
pub(super) fn run(settings: &Settings) -> Result<Outcome> {
    let fixture = NginxFixture::start(settings, "hooks")?;
    let traffic = Traffic::prepare(settings, &fixture)?;
    let unlimited = ["--max-exchanges-per-second", "0"];
    let agent = fixture
        .receiver
        .agent(settings, Follows::Node, &unlimited)?;
    let socket = fixture.work_dir().join("programs");
    let _measuring = measuring(settings, &fixture, agent.pid(), &socket)?;
    let mut rounds = Vec::new();
    for round in 0..settings.rounds {
        settings.note_round(round, "six mixes of traffic");
        let measure = |mix| -> Result<Snapshot> {
            let before = Snapshot::take(&socket)?;
            traffic.send(mix)?;
            Ok(Snapshot::take(&socket)?.since(&before))
        };
        let [chat, bulk, requests] = [Mix::Chat, Mix::Bulk, Mix::Requests].map(measure);
        let mut costs = Costs::of(&chat?, &bulk?, &requests?)?;
        costs.add_left_out(&measure(Mix::LeftOut)?)?;
        let [chat, requests] = [Mix::OutsideChat, Mix::OutsideRequests].map(measure);
        costs.add_arrivals(&chat?, &requests?)?;
        rounds.push(costs);
    }
    agent.finish()?;
    Ok(outcome(&rounds))
}

/// Makes the kernel measure programs, until the process is dropped.
fn measuring(
    settings: &Settings,
    fixture: &NginxFixture,
    agent: u32,
    socket: &Path,
) -> Result<Process> {
    let node = &fixture.receiver.node;
    let mut measuring = node
        .command(settings.program("hopspan-bench"))
        .args(["programs", "--agent", &agent.to_string(), "--cgroup"])
        .arg(node.cgroup_root())
        .arg("--socket")
        .arg(socket)
        .spawn()?;
    let answers = || Snapshot::take(socket).is_ok();
    Wait::for_seconds(30).until(&mut measuring, "answer", answers)?;
    Ok(measuring)
}

fn outcome(rounds: &[Costs]) -> Outcome {
    let mut outcome = Outcome::new("hooks");
    let mut add = |key: &str, what: &str, quantity: Quantity<'_>| {
        let values = rounds.iter().filter_map(quantity).collect();
        outcome.figure(key, what, Unit::Nanoseconds, values);
    };
    let figures: [(&str, &str, Quantity<'_>); 8] = [
        (
            "no_journey.worst",
            "packet with no journey, the dearest hook",
            &Costs::worst_miss,
        ),
        (
            "no_journey.mean",
            "packet with no journey, mean of all hooks it passes",
            &Costs::mean_miss,
        ),
        ("stamp.worst", "a stamp, the dearest hook", &|costs| {
            costs.worst_hit(Part::Stamp)
        }),
        ("stamp.mean", "a stamp, mean of all", &|costs| {
            costs.mean_hit(Part::Stamp)
        }),
        ("opening", "an opening with its head", &|costs| {
            costs.mean_hit(Part::Opening)
        }),
        (
            "arrival",
            "an opening with its head, of what arrives at an uplink",
            &|costs| costs.mean_hit(Part::Arrival),
        ),
        ("closing", "a closing", &|costs| {
            costs.mean_hit(Part::Closing)
        }),
        (
            "message",
            "all hooks of one message on one node",
            &|costs| costs.message,
        ),
    ];
    for (key, what, quantity) in figures {
        add(key, what, quantity);
    }
    for part in Part::OF_MESSAGE {
        let key = part.key();
        let (key, what) = (format!("message.{key}"), format!("- of that, {key}"));
        add(&key, &what, &|costs| costs.parts.get(&part).copied());
    }
    add(
        "message_and_rest",
        "all runs of all hooks, for each message",
        &|costs| costs.message_and_rest,
    );
    add(
        "left_out",
        "all hooks of an exchange that is left out, both ways",
        &|costs| costs.left_out,
    );
    for kind in ["cgroup_skb", "tracing", "netfilter", "socket_filter"] {
        let what = format!("measuring a run, {kind} (subtracted)");
        let key = format!("measuring.{kind}");
        add(&key, &what, &|costs| costs.empty.get(kind).copied());
    }
    outcome.tables.push(by_hook(rounds));
    outcome.note(
        "Medians over the rounds, net: what an empty program of the type took in the same mix is subtracted. Without a journey: messages of 64 B that are no HTTP; bulk: messages of 256 KiB, mostly full segments and bare acknowledgements. With a journey: requests on kept connections, as many as nginx answers. uplink_receive: the same small messages and requests, from a host outside of the node. A _leave hook that reads conntrack's tuples does so once for a message.",
    );
    outcome
}

fn by_hook(rounds: &[Costs]) -> Table {
    let columns = [
        "ns, net",
        "no journey",
        "bulk",
        "with a journey",
        "runs",
        "hits",
    ];
    let mut table = Table::new("hooks: each program", &columns);
    let Some(last) = rounds.last() else {
        return table;
    };
    for (hook, (runs, hits)) in &last.counts {
        let median = |of: fn(&Costs) -> &BTreeMap<String, f64>| {
            let costs = rounds.iter().map(of);
            let values: Vec<f64> = costs.filter_map(|costs| costs.get(hook).copied()).collect();
            let spread = Spread::of(&values);
            spread.map_or("-".to_owned(), |spread| format!("{:.1}", spread.median))
        };
        table.row(vec![
            hook.clone(),
            median(|costs| &costs.miss),
            median(|costs| &costs.bulk),
            median(|costs| &costs.hit),
            runs.to_string(),
            hits.to_string(),
        ]);
    }
    table
}
