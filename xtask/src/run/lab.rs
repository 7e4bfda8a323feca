//! The root half of `run`: a lab with the viewer, the agent and the application in it. In: the
//! command line with absolute paths. Out: what the viewer prints. Whatever happens, nothing is left
//! of it on the machine.

use std::io;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::Result;
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
    let node = progress::during("bringing up the lab", || {
        lab.node_with("node", args.run.node_options())
    })?;
    let viewer = progress::during("starting the viewer", || Part::viewer(&node, args))?;
    let agent = progress::during("starting the agent", || Part::agent(&node, args))?;
    // Stopped in this order: the agent's last spans go to the viewer.
    let mut parts = [agent, viewer];
    let hotrod = progress::during("starting HotROD", || hotrod::start(&node, args));
    let mut hotrod = hotrod.map_err(|failure| parts::explain(&mut parts, failure))?;
    // The rules that the agent reads.
    let ways = hotrod::ways(&hotrod, args);
    let [agent, _] = &mut parts;
    progress::during("reading the rules", || agent.wait_for_rules(ways))?;
    let dispatched = match args.run.fault {
        Some(fault) => {
            let nodes = std::slice::from_ref(&node);
            fault.prepare(nodes, &hotrod, args)?;
            let left = ways - fault.lost_ways(&hotrod);
            let [agent, _] = &mut parts;
            agent.wait_for_rules(left)?;
            hotrod::dispatch_during(fault, nodes, &mut hotrod, args)
        }
        None => hotrod::dispatch(&hotrod, args),
    };
    dispatched.map_err(|failure| parts::explain(&mut parts, failure))?;
    if args.run.keep {
        keep(lab, &node, &hotrod, args, &mut parts)?;
    }
    let [agent, viewer] = &mut parts;
    progress::during("flushing", || {
        hotrod.stop()?;
        agent.stop()
    })?;
    for complaint in agent.complaints() {
        note(&format!("the agent: {complaint}"));
    }
    viewer.stop()
}

/// Says how the lab is used, and then sends more dispatches whenever Enter is pressed. Ctrl-C ends
/// the process; this returns only when a part has died.
fn keep(lab: &Lab, node: &Node, hotrod: &HotRod, args: &LabArgs, parts: &mut [Part]) -> Result<()> {
    note(&usage(lab, node, hotrod));
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
fn usage(lab: &Lab, node: &Node, hotrod: &HotRod) -> String {
    let client = hotrod.client();
    let mut lines = vec![
        "the lab stays up until Ctrl-C; Enter sends another dispatch".to_owned(),
        format!(
            "  OTLP      gRPC {0}:4317, HTTP {0}:4318, for pods and the node",
            node.gateway_ip()
        ),
        format!("  logs      {}", lab.work_dir().display()),
        format!(
            "  node      {:<26} nsenter --net={}",
            node.ip().to_string(),
            node.netns_path().display()
        ),
    ];
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
