//! The agent leaves nothing behind, whichever signal ends it.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    time::{Duration, Instant},
};

use aya::programs::{loaded_links, loaded_programs};
use hopspan_e2e::{Fixture, Kernel, held_ids};
use hopspan_lab::{Node, Signal};

const END: Duration = Duration::from_secs(20);

/// How many of these programs and links still exist.
fn left(programs: &BTreeSet<u32>, links: &BTreeSet<u32>) -> usize {
    let programs_left = loaded_programs()
        .filter_map(Result::ok)
        .filter(|program| programs.contains(&program.id()))
        .count();
    let links_left = loaded_links()
        .filter_map(Result::ok)
        .filter(|link| links.contains(&link.id()))
        .count();
    programs_left + links_left
}

/// The node's firewall, without packet counters.
fn firewall(node: &Node) -> String {
    let text = node.command("iptables-save").run(END).unwrap();
    text.lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.split(" [").next().unwrap_or(line))
        .collect::<Vec<_>>()
        .join("\n")
}

fn queueing(node: &Node) -> String {
    node.command("tc").args(["qdisc", "show"]).run(END).unwrap()
}

fn pins() -> usize {
    fs::read_dir(Path::new("/sys/fs/bpf")).map_or(0, Iterator::count)
}

fn check(label: &str, signal: Signal) {
    let mut fixture = Fixture::start(label).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    hotrod.dispatch(2, 2).unwrap();
    let (rules, queues, pinned) = (firewall(fixture.node()), queueing(fixture.node()), pins());

    let pid = fixture.agent().process.pid();
    let (programs, links) = (held_ids(pid, "prog_id:"), held_ids(pid, "link_id:"));
    assert!(
        programs.len() >= 6,
        "the agent holds only the programs {programs:?}"
    );
    // Two at cgroups, four at tracepoints; ten at netfilter's hooks for each of IPv4 and IPv6.
    let netfilter = Kernel::running().has_netfilter_links();
    let expected = if netfilter { 26 } else { 6 };
    assert!(
        links.len() >= expected,
        "the agent holds only the links {links:?}"
    );
    assert!(left(&programs, &links) >= programs.len());

    fixture.agent().process.signal(signal).unwrap();
    assert!(
        fixture.agent().process.wait(END).unwrap().is_some(),
        "the agent still runs"
    );
    // The kernel frees programs after a grace period of RCU.
    let deadline = Instant::now() + END;
    while left(&programs, &links) > 0 && Instant::now() < deadline {
        std::thread::sleep(Duration::from_millis(20));
    }
    assert_eq!(left(&programs, &links), 0, "programs or links still exist");
    assert_eq!(firewall(fixture.node()), rules);
    assert_eq!(queueing(fixture.node()), queues);
    assert_eq!(pins(), pinned);
    // The application goes on.
    let dispatches = hotrod.dispatch(2, 2).unwrap();
    assert!(dispatches.iter().all(|dispatch| dispatch.status == 200));
}

#[test]
fn sigterm_leaves_nothing() {
    if hopspan_lab::skip("sigterm_leaves_nothing") {
        return;
    }
    check("sigterm", Signal::SIGTERM);
}

#[test]
fn kill_leaves_nothing() {
    if hopspan_lab::skip("kill_leaves_nothing") {
        return;
    }
    check("sigkill", Signal::SIGKILL);
}
