//! Every hook is not only attached, but hit by the traffic that it exists for.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::{collections::BTreeMap, time::Duration};

use hopspan_e2e::{Exchange, Fixture, Kernel, Trace, fdinfos, insert_rule, number_after};
use hopspan_lab::{Node, Signal, hotrod::HotRod};

const DEADLINE: Duration = Duration::from_secs(30);

/// Sends a request from the node itself, as a pod with hostNetwork does: it passes netfilter's
/// OUTPUT.
fn from_the_node(node: &Node, hotrod: &HotRod) {
    let frontend = hotrod
        .services()
        .iter()
        .find(|service| service.name == "frontend")
        .unwrap();
    let binary = hopspan_e2e::binary("hotrod").unwrap();
    node.command(binary)
        .args([
            "client",
            "--requests",
            "1",
            "--concurrency",
            "1",
            "--customer-id",
            "123",
        ])
        .arg("--frontend")
        .arg(format!("http://{}", frontend.address()))
        .env("OTEL_EXPORTER_OTLP_ENDPOINT", "http://127.0.0.1:4317")
        .run(DEADLINE)
        .unwrap();
}

/// Connects from another machine to the viewer on the node.
fn from_outside(fixture: &Fixture) {
    let host = fixture.lab().host("outside", fixture.node()).unwrap();
    let node = fixture.node().ip();
    host.command("timeout")
        .args(["5", "bash", "-c", &format!("echo >/dev/tcp/{node}/4317")])
        .run(DEADLINE)
        .unwrap();
}

/// Tries a connect whose SYN a rule of the node drops.
fn dropped(node: &Node, hotrod: &HotRod) {
    insert_rule(node, "FORWARD -p tcp --dport 9999 -j DROP").unwrap();
    let target = hotrod.pods()[0].ip();
    hotrod
        .client()
        .command("timeout")
        // On a slow machine the shell alone needs a second to start.
        .args(["5", "bash", "-c", &format!("echo >/dev/tcp/{target}/9999")])
        .output(DEADLINE)
        .unwrap();
}

#[test]
fn every_hook_is_hit() {
    if hopspan_lab::skip("every_hook_is_hit") {
        return;
    }
    let mut fixture = Fixture::start("hooks").unwrap();
    let hotrod = fixture.hotrod().unwrap();
    hotrod.dispatch(1, 1).unwrap();
    from_the_node(fixture.node(), &hotrod);
    from_outside(&fixture);
    dropped(fixture.node(), &hotrod);
    hotrod.stop().unwrap();
    let outcome = fixture.finish().unwrap();
    let kernel = Kernel::running();
    outcome.report().assert_all_attached(&kernel);
    let lacks = kernel.lacks();
    let idle: BTreeMap<String, u64> = outcome
        .report()
        .hits()
        .into_iter()
        .filter(|(hook, hits)| *hits == 0 && !lacks.contains(hook))
        .collect();
    assert!(idle.is_empty(), "attached and idle: {idle:?}");
    assert!(outcome.report().number(&["kernel", "journeys", "dropped"]) > 0);
    outcome.report().assert_nothing_lost();

    if !kernel.has_netfilter_links() {
        return;
    }
    // The destination of the node's own request was translated in OUTPUT.
    let from_node = outcome
        .traces
        .0
        .values()
        .flat_map(|trace| trace.of_role("hop"))
        .find(|hop| {
            hop.attribute("hopspan.hop") == "netfilter.output"
                && hop
                    .attribute("hopspan.nat.original")
                    .starts_with("10.96.0.10:")
        });
    assert!(from_node.is_some(), "no translation in netfilter.output");
}

/// The programs for old kernels run on new ones too: HTTP/1 without HTTP/2, and the other
/// tracepoint for reads.
#[test]
fn the_fallbacks_for_old_kernels_work() {
    if hopspan_lab::skip("the_fallbacks_for_old_kernels_work") {
        return;
    }
    let mut fixture = Fixture::start_with("fallbacks", &["--only-fallbacks"]).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    hotrod.dispatch(1, 1).unwrap();
    hotrod.stop().unwrap();
    let outcome = fixture.finish().unwrap();
    outcome.report().assert_nothing_lost();
    let exchanges: Vec<Exchange<'_>> = outcome
        .traces
        .0
        .values()
        .flat_map(Trace::exchanges)
        .collect();
    assert_eq!(exchanges.len(), 12, "{exchanges:?}");
    let queues = outcome
        .traces
        .0
        .values()
        .flat_map(|trace| trace.of_role("hop"))
        .filter(|hop| hop.attribute("hopspan.hop") == "socket.queue");
    assert_eq!(queues.count(), 24, "a read for each request and response");
}

/// The verifier refuses a program that takes it a million steps, and every step is a part of the
/// agent's start. The kernel shows the number from 5.16.
#[test]
fn the_verifier_needs_few_steps() {
    if hopspan_lab::skip("the_verifier_needs_few_steps") {
        return;
    }
    // Older verifiers find fewer states alike.
    let most = match Kernel::running().has_netfilter_links() {
        true => 100_000,
        false => 200_000,
    };
    let mut fixture = Fixture::start("verifier").unwrap();
    let steps: Vec<u64> = fdinfos(fixture.agent().process.pid())
        .iter()
        .filter_map(|text| number_after(text, "verified_insns:"))
        .collect();
    fixture.finish().unwrap();
    // Those of the cgroup, of five tracepoints and of the uplinks.
    assert!(steps.len() >= 8, "{steps:?}");
    assert!(steps.iter().all(|steps| *steps < most), "{steps:?}");
}

#[test]
fn the_programs_log_with_debug() {
    if hopspan_lab::skip("the_programs_log_with_debug") {
        return;
    }
    let mut fixture = Fixture::start_with("debug", &["--debug"]).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    hotrod.dispatch(1, 1).unwrap();
    dropped(fixture.node(), &hotrod);
    hotrod.stop().unwrap();
    let log = fixture.agent().process.signal(Signal::SIGTERM).map(|()| {
        fixture.agent().process.wait(DEADLINE).unwrap();
        fixture.agent().process.log()
    });
    let log = log.unwrap();
    // From pod to pod: two stamps at the sockets, four at devices, six at three netfilter hooks.
    let stamps = if Kernel::running().has_netfilter_links() {
        12
    } else {
        6
    };
    for text in [
        "open: message 1 ",
        "open: message 3 ",
        "open: message 5 ",
        &format!("close: stamps {stamps} "),
        "drop: seq ",
    ] {
        assert!(log.contains(text), "no {text:?} in the log");
    }
}
