//! The root half of `run`: a lab with the viewer, an agent on each node, and the application in it. In: the
//! command line with absolute paths. Out: what the viewer prints. Whatever happens, nothing is left
//! of it on the machine.

use std::io;
use std::net::Ipv4Addr;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use hopspan_lab::hotrod::HotRod;
use hopspan_lab::{Lab, Node, teardown_on_signal};

use super::LabArgs;
use super::hotrod;
use super::parts::{self, Part};
use crate::progress::{self, note};

/// How often the parts are looked at while the lab stays up.
const WATCH_INTERVAL: Duration = Duration::from_millis(500);

/// Brings everything up, sends the dispatches, and takes everything down.
///
/// # Errors
/// The first part that failed, with its last words.
pub(crate) fn run(args: &LabArgs) -> Result<()> {
    teardown_on_signal()?;
    let lab = Lab::new("cargo xtask run")?;
    let result = within(&lab, args);
    if result.is_err() || args.run.debug {
        lab.keep_logs();
    }
    let removed = lab.teardown();
    result.and(removed.map(|_| ()))
}

fn within(lab: &Lab, args: &LabArgs) -> Result<()> {
    let nodes = progress::during("bringing up the lab", || make_nodes(lab, args))?;
    let first = nodes.first().context("a lab without nodes")?;
    let viewer = progress::during("starting the viewer", || Part::viewer(first, args))?;
    let what = match nodes.len() {
        1 => "starting the agent".to_owned(),
        count => format!("starting {count} agents"),
    };
    // Stopped in this order: the agents' last spans go to the viewer.
    let mut parts = progress::during(what, || start_agents(&nodes, args))?;
    parts.push(viewer);
    let hotrod = progress::during("starting HotROD", || hotrod::start(&nodes, args));
    let mut hotrod = hotrod.map_err(|failure| parts::explain(&mut parts, failure))?;
    // The rules that the agents read.
    let ways = hotrod::ways(&hotrod, args);
    progress::during("reading the rules", || {
        wait_for_rules(&mut parts, nodes.len(), ways)
    })?;
    let dispatched = match args.run.fault {
        Some(fault) => {
            fault.prepare(&nodes, &hotrod, args)?;
            let left = ways - fault.lost_ways(&hotrod);
            wait_for_rules(&mut parts, nodes.len(), left)?;
            hotrod::dispatch_during(fault, &nodes, &mut hotrod, args)
        }
        None => hotrod::dispatch(&hotrod, args),
    };
    dispatched.map_err(|failure| parts::explain(&mut parts, failure))?;
    if args.run.keep {
        keep(lab, &nodes, &hotrod, args, &mut parts)?;
    }
    let mut viewer = parts.pop().context("no viewer")?;
    progress::during("flushing", || {
        hotrod.stop()?;
        parts.iter_mut().try_for_each(Part::stop)
    })?;
    for agent in &parts {
        for complaint in agent.complaints() {
            note(&format!("{}: {complaint}", agent.name()));
        }
    }
    viewer.stop()
}

/// `node`, or `node-1`, `node-2` and so on.
fn make_nodes(lab: &Lab, args: &LabArgs) -> Result<Vec<Node>> {
    let name = |number| match args.run.nodes {
        1 => "node".to_owned(),
        _ => format!("node-{number}"),
    };
    let numbers = 1..=args.run.nodes;
    numbers
        .map(|number| lab.node_with(&name(number), args.run.node_options()))
        .collect()
}

/// One on each node. The viewer is on the first, to which the others send over the wire.
fn start_agents(nodes: &[Node], args: &LabArgs) -> Result<Vec<Part>> {
    let viewer = nodes.first().map_or(Ipv4Addr::LOCALHOST, Node::ip);
    let receivers = std::iter::once(Ipv4Addr::LOCALHOST).chain(std::iter::repeat(viewer));
    let agents = nodes.iter().zip(receivers);
    agents
        .map(|(node, receiver)| Part::agent(node, receiver, args))
        .collect()
}

/// Waits until each of so many agents, which are the first parts, has read rules that lead so many ways to a pod.
fn wait_for_rules(parts: &mut [Part], agents: usize, ways: usize) -> Result<()> {
    let mut agents = parts.iter_mut().take(agents);
    agents.try_for_each(|agent| agent.wait_for_rules(ways))
}

/// Says how the lab is used, and then sends more dispatches whenever Enter is pressed. Ctrl-C ends
/// the process; this returns only when a part has died.
fn keep(
    lab: &Lab,
    nodes: &[Node],
    hotrod: &HotRod,
    args: &LabArgs,
    parts: &mut [Part],
) -> Result<()> {
    note(&usage(lab, nodes, hotrod));
    // Reading blocks, and the parts have to be watched meanwhile.
    let (enter, entered) = mpsc::channel();
    thread::spawn(move || {
        for _line in io::stdin().lines().map_while(Result::ok) {
            if enter.send(()).is_err() {
                return;
            }
        }
        // Standard input is at its end: keep the sender, so that the receiver waits.
        loop {
            thread::park();
        }
    });
    loop {
        if entered.recv_timeout(WATCH_INTERVAL).is_ok() {
            hotrod::dispatch(hotrod, args).map_err(|failure| parts::explain(parts, failure))?;
        }
        parts.iter_mut().try_for_each(Part::check)?;
    }
}

/// How the lab is used from other terminals.
fn usage(lab: &Lab, nodes: &[Node], hotrod: &HotRod) -> String {
    let client = hotrod.client();
    let mut lines = vec!["the lab stays up until Ctrl-C; Enter sends another dispatch".to_owned()];
    lines.extend(nodes.first().map(|first| {
        let ip = match nodes.len() {
            1 => first.gateway_ip(),
            _ => first.ip(),
        };
        format!("  OTLP      gRPC {ip}:4317, HTTP {ip}:4318, for pods and nodes")
    }));
    lines.push(format!("  logs      {}", lab.work_dir().display()));
    for node in nodes {
        let place = match nodes.len() {
            1 => node.ip().to_string(),
            _ => format!("{} {}", node.name(), node.ip()),
        };
        lines.push(format!(
            "  node      {place:<26} nsenter --net={}",
            node.netns_path().display()
        ));
    }
    for pod in hotrod.pods() {
        let place = format!("{} {}", pod.name(), pod.ip());
        lines.push(format!(
            "  pod       {place:<26} nsenter --net={}",
            pod.netns_path().display()
        ));
    }
    lines.push(
        "  the agent sees what runs in a pod's cgroup too, for example (as root):".to_owned(),
    );
    lines.push(format!(
        "    sh -c 'echo $$ > {}/cgroup.procs; exec nsenter --net={} curl -s {}'",
        client.cgroup().display(),
        client.netns_path().display(),
        "http://10.96.0.10:8080/dispatch?customer=123",
    ));
    lines.join("\n")
}
