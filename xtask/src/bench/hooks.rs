//! What each program costs the kernel. In: mixes of traffic that take one path through the programs
//! each. Out: nanoseconds a run, net of measuring it, by hook and by what the packet was.
//!
//! A run of a program is for a packet of interest (a hit) or for another (a miss). The counters of the
//! programs tell how many were hits; a mix without hits gives the cost of a miss, and what is left of
//! a mix with both is the hits'.

mod cost;
mod mix;
mod part;
mod snapshot;

use std::collections::BTreeMap;

use anyhow::Result;
use hopspan_lab::Process;

use super::ground::{Follows, Ground, LISTEN};
use super::outcome::{Outcome, Unit};
use super::root::Bench;
use super::said;
use super::statistics::Spread;
use crate::table::Table;
use cost::Costs;
use mix::{Mix, Traffic};
use part::Part;
use snapshot::Snapshot;

/// Measures.
///
/// # Errors
/// When something does not start, or the kernel does not measure.
pub(super) fn run(bench: &Bench<'_>) -> Result<Outcome> {
    let ground = Ground::start(bench, "hooks")?;
    let traffic = Traffic::prepare(bench, &ground)?;
    let agent =
        ground
            .base
            .agent_with(bench, Follows::Node, &["--max-exchanges-per-second", "0"])?;
    let socket = ground.work_dir().join("programs");
    let _programs = programs(bench, &ground, agent.pid())?;
    let mut rounds = Vec::new();
    for round in 0..bench.rounds() {
        bench.round(round, "six mixes of traffic");
        let mut deltas = Vec::new();
        for mix in Mix::ALL {
            let before = Snapshot::take(&socket)?;
            traffic.send(mix)?;
            deltas.push(Snapshot::take(&socket)?.since(&before));
        }
        let [
            chat,
            bulk,
            requests,
            left_out,
            outside_chat,
            outside_requests,
        ] = &deltas[..]
        else {
            continue;
        };
        let mut costs = Costs::of(chat, bulk, requests)?;
        costs.add_left_out(left_out)?;
        costs.add_arrivals(outside_chat, outside_requests)?;
        rounds.push(costs);
    }
    agent.finish()?;
    Ok(told(&rounds))
}

/// Lets the kernel measure, until the process is dropped.
fn programs(bench: &Bench<'_>, ground: &Ground, agent: u32) -> Result<Process> {
    let node = &ground.base.node;
    let socket = ground.work_dir().join("programs");
    let mut process = node
        .command(bench.program("hopspan-bench"))
        .args(["programs", "--agent", &agent.to_string(), "--cgroup"])
        .arg(node.cgroup_root())
        .arg("--socket")
        .arg(&socket)
        .spawn()?;
    said::wait(&mut process, "listening on", 0, LISTEN)?;
    Ok(process)
}

fn told(rounds: &[Costs]) -> Outcome {
    let mut outcome = Outcome::new("hooks");
    let each = |value: &dyn Fn(&Costs) -> Option<f64>| -> Vec<f64> {
        rounds.iter().filter_map(value).collect()
    };
    let figures: [(&str, &str, Vec<f64>); 8] = [
        (
            "no_journey.worst",
            "packet with no journey, the dearest hook",
            each(&Costs::worst_miss),
        ),
        (
            "no_journey.mean",
            "packet with no journey, mean of all hooks it passes",
            each(&Costs::mean_miss),
        ),
        (
            "stamp.worst",
            "a stamp, the dearest hook",
            each(&|costs| costs.worst_hit(Part::Stamp)),
        ),
        (
            "stamp.mean",
            "a stamp, mean of all",
            each(&|costs| costs.mean_hit(Part::Stamp)),
        ),
        (
            "opening",
            "an opening with its head",
            each(&|costs| costs.mean_hit(Part::Opening)),
        ),
        (
            "arrival",
            "an opening with its head, of what arrives at an uplink",
            each(&|costs| costs.mean_hit(Part::Arrival)),
        ),
        (
            "closing",
            "a closing",
            each(&|costs| costs.mean_hit(Part::Closing)),
        ),
        (
            "message",
            "all hooks of one message on one node",
            each(&|costs| costs.message),
        ),
    ];
    for (key, what, values) in figures {
        outcome.figure(key, what, Unit::Nanoseconds, values);
    }
    for part in Part::OF_MESSAGE {
        let key = part.key();
        outcome.figure(
            &format!("message.{key}"),
            &format!("- of that, {key}"),
            Unit::Nanoseconds,
            each(&|costs| costs.parts.get(&part).copied()),
        );
    }
    outcome.figure(
        "message_and_rest",
        "all runs of all hooks, for each message",
        Unit::Nanoseconds,
        each(&|costs| costs.message_and_rest),
    );
    outcome.figure(
        "left_out",
        "all hooks of an exchange that is left out, both ways",
        Unit::Nanoseconds,
        each(&|costs| costs.left_out),
    );
    for kind in ["cgroup_skb", "tracing", "netfilter", "socket_filter"] {
        let what = format!("measuring a run, {kind} (subtracted)");
        let values = each(&|costs| costs.empty.get(kind).copied());
        outcome.figure(
            &format!("measuring.{kind}"),
            &what,
            Unit::Nanoseconds,
            values,
        );
    }
    outcome.tables.push(by_hook(rounds));
    outcome.note(
        "Medians over the rounds, net: measuring is what an empty program of the type took in the same mix. Without a journey: messages of 64 B that are no HTTP; bulk: 256 KiB of them at a time, mostly full segments and bare acknowledgements. With: requests on kept connections, as many as go. uplink_receive: the same small messages and requests, from a host outside of the node. A _leave hook that reads conntrack's tuples does so once for a message.",
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
            let values: Vec<f64> = rounds
                .iter()
                .filter_map(|costs| of(costs).get(hook).copied())
                .collect();
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
