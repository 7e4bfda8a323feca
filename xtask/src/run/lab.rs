//! The root half of `run`: a lab with the viewer, an agent on each node, and an application. In: the
//! command line. Out: what the viewer prints. Nothing of the lab is left on the machine, however it
//! ends.

use std::io;
use std::net::Ipv4Addr;
use std::path::Path;
use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use anyhow::{Context, Result};
use hopspan_lab::kube_proxy::{Service, crowd};
use hopspan_lab::{Lab, Node, teardown_on_signal};

use super::app::Application;
use super::args::RunArgs;
use super::hotrod;
use super::parts::{self, Part, Printing};
use super::usage::usage;
use crate::progress::{during, note};
use crate::workspace::Workspace;

/// How often the parts are checked while the lab stays up.
const CHECK_INTERVAL: Duration = Duration::from_millis(500);
/// How long the last spans of the first dispatches may take to the viewer, before it prints its table:
/// the agent waits a second for the end of a trace, and for names.
const LAST_SPANS: Duration = Duration::from_secs(3);

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
    let [hopspan, built] = ["hopspan", "hotrod"].map(|name| binaries.join(name));
    let binary = args.hotrod.as_deref().unwrap_or(&built);
    let nodes = during("bringing up the lab", || make_nodes(lab, args))?;
    let first = nodes.first().context("a lab without nodes")?;
    let printing = if args.page {
        Printing::AsTheyCome
    } else {
        Printing::AtEnd
    };
    let viewer = || Part::viewer(first, &hopspan, args, printing);
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
    let app = || Application::start(&nodes, binary, &crowd, args);
    let app = during("starting the application", app);
    let mut app = app.map_err(|failure| parts::explain(&mut parts, failure))?;
    let mut endpoints = count_endpoints(&crowd) + count_endpoints(app.services());
    during("reading the rules", || {
        wait_for_rules(&mut parts, endpoints)
    })?;
    let dispatched = match (&mut app, args.fault) {
        (Application::HotRod(hotrod), Some(fault)) => {
            endpoints -= fault.prepare(&nodes, hotrod, crowd)?;
            wait_for_rules(&mut parts, endpoints)?;
            hotrod::dispatch_during(fault, &nodes, hotrod, args)
        }
        (Application::HotRod(hotrod), None) => hotrod::dispatch(hotrod, args),
        (Application::Empty(_), _) => Ok(()),
    };
    dispatched.map_err(|failure| parts::explain(&mut parts, failure))?;
    if args.stays() {
        if args.page {
            note(&format!("the traces are at http://{}/", parts::PAGE));
        } else {
            show_live(first, &hopspan, args, &app, &mut parts)?;
        }
        note(&usage(lab, &nodes, &app, &hopspan)?);
        keep(&app, args, &mut parts)?;
    }
    let mut viewer = parts.pop().context("no viewer")?;
    during("flushing", || {
        app.stop()?;
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

/// Lets the viewer print the first dispatches with its table, which it does at its end, and starts
/// another one, which prints each trace that comes from now on.
fn show_live(
    node: &Node,
    hopspan: &Path,
    args: &RunArgs,
    app: &Application,
    parts: &mut Vec<Part>,
) -> Result<()> {
    let mut viewer = parts.pop().context("no viewer")?;
    if matches!(app, Application::HotRod(_)) {
        during("waiting for the last spans", || {
            thread::sleep(LAST_SPANS);
            Ok(())
        })?;
        viewer.stop()?;
    } else {
        // Nothing has happened: it has nothing to print.
        drop(viewer);
    }
    parts.push(Part::viewer(node, hopspan, args, Printing::AsTheyCome)?);
    Ok(())
}

/// Sends more dispatches whenever Enter is pressed. Ctrl-C ends the process; this returns only when a
/// part has ended.
fn keep(app: &Application, args: &RunArgs, parts: &mut [Part]) -> Result<()> {
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
        let is_entered = entered.recv_timeout(CHECK_INTERVAL).is_ok();
        if let (true, Application::HotRod(hotrod)) = (is_entered, app) {
            hotrod::dispatch(hotrod, args).map_err(|failure| parts::explain(parts, failure))?;
        }
        parts.iter_mut().try_for_each(Part::check)?;
    }
}
