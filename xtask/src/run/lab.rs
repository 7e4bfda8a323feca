//! The root half of `run`: a lab with the viewer, an agent on each node, and HotROD. In: the
//! command line. Out: what the viewer prints. Nothing of the lab is left on the machine, however it
//! ends.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use hopspan_lab::hotrod::HotRod;
use hopspan_lab::kube_proxy::{Service, crowd};
use hopspan_lab::{Lab, Node, teardown_on_signal};

use super::args::RunArgs;
use super::hotrod;
use super::parts::{self, Part};
use crate::progress::{during, note};
use crate::workspace::Workspace;

/// How often the parts are checked while the lab stays up.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);

/// Brings everything up, sends the dispatches, and takes everything down.
///
/// # Errors
/// The first part that failed, with the end of its log.
pub(crate) fn run(workspace: &Workspace, args: &RunArgs) -> Result<()> {
    teardown_on_signal()?;
    let binaries = workspace.binaries(args.profile())?;
    let lab = Lab::new("cargo xtask run")?;
    let result = within(&lab, &binaries, args);
    if result.is_err() || args.debug {
        lab.keep_logs();
    }
    let removed = lab.teardown();
    result.and(removed.map(|_| ()))
}

fn within(lab: &Lab, binaries: &Path, args: &RunArgs) -> Result<()> {
    let [hopspan, binary] = ["hopspan", "hotrod"].map(|name| binaries.join(name));
    let nodes = during("bringing up the lab", || make_nodes(lab, args))?;
    let first = nodes.first().context("a lab without nodes")?;
    let viewer = || Part::viewer(first, &hopspan, args);
    let viewer = during("starting the viewer", viewer)?;
    let what = match nodes.len() {
        1 => "starting the agent".to_owned(),
        count => format!("starting {count} agents"),
    };
    let agents = || {
        let receivers = std::iter::once(Ipv4Addr::LOCALHOST).chain(std::iter::repeat(first.ip()));
        let agents = nodes.iter().zip(receivers);
        let start = |(node, receiver)| Part::agent(node, &hopspan, receiver, args);
        agents.map(start).collect::<Result<Vec<_>>>()
    };
    // Stopped in this order: the agents' last spans go to the viewer.
    let mut parts = during(what, agents)?;
    parts.push(viewer);
    let crowd = crowd(args.services)?;
    let hotrod = || hotrod::start(&nodes, &binary, &crowd, args);
    let hotrod = during("starting HotROD", hotrod);
    let mut hotrod = hotrod.map_err(|failure| parts::explain(&mut parts, failure))?;
    let mut endpoints = count_endpoints(&crowd) + count_endpoints(hotrod.services());
    during("reading the rules", || {
        wait_for_rules(&mut parts, endpoints)
    })?;
    let dispatched = match args.fault {
        Some(fault) => {
            endpoints -= fault.prepare(&nodes, &hotrod, crowd)?;
            wait_for_rules(&mut parts, endpoints)?;
            hotrod::dispatch_during(fault, &nodes, &mut hotrod, args)
        }
        None => hotrod::dispatch(&hotrod, args),
    };
    dispatched.map_err(|failure| parts::explain(&mut parts, failure))?;
    if args.stays() {
        keep(lab, &nodes, &hotrod, args, &mut parts)?;
    }
    let mut viewer = parts.pop().context("no viewer")?;
    during("flushing", || {
        hotrod.stop()?;
        parts.iter_mut().try_for_each(Part::stop)
    })?;
    for warning in parts.iter().flat_map(Part::warnings) {
        note(&warning);
    }
    viewer.stop()
}

/// `node`, or `node-1`, `node-2` and so on.
fn make_nodes(lab: &Lab, args: &RunArgs) -> Result<Vec<Node>> {
    let name = |number| match args.nodes {
        1 => "node".to_owned(),
        _ => format!("node-{number}"),
    };
    let numbers = 1..=args.nodes;
    numbers
        .map(|number| lab.node_with(&name(number), args.node_options()))
        .collect()
}

fn count_endpoints(services: &[Service]) -> usize {
    let endpoints = services.iter().map(|service| service.endpoints.len());
    endpoints.sum()
}

/// Waits until the agents, which are all parts but the last, have read rules with so many
/// endpoints.
fn wait_for_rules(parts: &mut [Part], endpoints: usize) -> Result<()> {
    let Some((_viewer, agents)) = parts.split_last_mut() else {
        return Ok(());
    };
    let mut agents = agents.iter_mut();
    agents.try_for_each(|agent| agent.wait_for_rules(endpoints))
}

/// Prints how to use the lab, and then sends more dispatches whenever Enter is pressed. Ctrl-C ends
/// the process; this returns only when a part has ended.
fn keep(
    lab: &Lab,
    nodes: &[Node],
    hotrod: &HotRod,
    args: &RunArgs,
    parts: &mut [Part],
) -> Result<()> {
    if args.page {
        note(&format!("the traces are at http://{}/", parts::PAGE));
    }
    note(&usage(lab, nodes, hotrod));
    // Reading blocks, and the parts have to be checked meanwhile.
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
        if entered.recv_timeout(CHECK_INTERVAL).is_ok() {
            hotrod::dispatch(hotrod, args).map_err(|failure| parts::explain(parts, failure))?;
        }
        parts.iter_mut().try_for_each(Part::check)?;
    }
}

/// How to use the lab from other terminals.
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
    let enter = |kind, name: &str, netns: &Path| {
        format!("  {kind:<9} {name:<26} nsenter --net={}", netns.display())
    };
    for node in nodes {
        let name = match nodes.len() {
            1 => node.ip().to_string(),
            _ => format!("{} {}", node.name(), node.ip()),
        };
        lines.push(enter("node", &name, node.netns_path()));
    }
    for pod in hotrod.pods() {
        let name = format!("{} {}", pod.name(), pod.ip());
        lines.push(enter("pod", &name, pod.netns_path()));
    }
    lines
        .push("  the agent follows what runs in a pod's cgroup, for example (as root):".to_owned());
    lines.push(format!(
        "    sh -c 'echo $$ > {}/cgroup.procs; exec nsenter --net={} curl -s {}'",
        client.cgroup().display(),
        client.netns_path().display(),
        "http://10.96.0.10:8080/dispatch?customer=123",
    ));
    lines.join("\n")
}
