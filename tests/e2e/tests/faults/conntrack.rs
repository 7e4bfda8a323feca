//! Conntrack refuses a connection: its table is full, or its addresses are those of another
//! connection.

use std::time::Duration;

use hopspan_e2e::{Metrics, wait_for_output};
use hopspan_lab::{fault, kube_proxy::ProxyMode};

use super::fixture::{FAR_SERVICE, Far, FaultFixture, assert_last_hop, failed_connect};

const PATIENCE: Duration = Duration::from_millis(1_500);
/// Filling the table takes less.
const PREPARATION: Duration = Duration::from_secs(6);

/// How many connections the node's conntrack has refused for this reason, as the agent's metrics
/// have it.
fn refused(metrics: &Metrics, reason: &str) -> f64 {
    let sample = format!("hopspan_conntrack_refusals_total{{reason=\"{reason}\"}}");
    let value = metrics.value(&sample);
    value.unwrap_or_else(|| panic!("no {sample} in {metrics:?}"))
}

/// Waits until the agent's metrics have more refusals than `before`.
fn wait_for_refusal(fixture: &mut FaultFixture, reason: &str, before: f64) {
    let agent = fixture.dialogues.fixture.agent();
    agent
        .wait_for_metrics("at a refusal by conntrack", |metrics| {
            refused(metrics, reason) > before
        })
        .unwrap();
}

#[test]
fn a_full_conntrack_table() {
    if hopspan_lab::skip("a_full_conntrack_table") {
        return;
    }
    let mut fixture = FaultFixture::start("conntrack-full", ProxyMode::default(), Far::Listens);
    let node = fixture.dialogues.node().clone();
    let refusals = refused(
        &fixture.dialogues.fixture.agent().metrics().unwrap(),
        "drop",
    );
    // The client's connection is opened before the table is full, and the server's after.
    let parent = fixture.knock_during(PATIENCE, PREPARATION, || {
        fault::fill_conntrack(&node, 0).unwrap()
    });
    wait_for_refusal(&mut fixture, "drop", refusals);
    let outcome = fixture.finish();
    let connect = failed_connect(&outcome, &parent);
    connect.assert_attributes(&[
        ("error.type", "timeout"),
        ("hopspan.drop.reason", "NETFILTER_DROP"),
        ("hopspan.drop.hop", "netfilter.prerouting"),
        ("hopspan.tcp.retransmits", "1"),
    ]);
    assert_last_hop(&outcome, connect, "netfilter.prerouting");
    // Without conntrack nothing is translated, and no rule of kube-proxy is evaluated.
    let drops = outcome
        .report()
        .failures_of("NETFILTER_DROP", "netfilter.prerouting");
    assert_eq!(drops, 2);
}

#[test]
fn addresses_of_another_connection() {
    if hopspan_lab::skip("addresses_of_another_connection") {
        return;
    }
    let mut fixture = FaultFixture::start("insert-failed", ProxyMode::default(), Far::Listens);
    let node = fixture.dialogues.node().clone();
    let refusals = refused(
        &fixture.dialogues.fixture.agent().metrics().unwrap(),
        "insert_failed",
    );
    let rule = fault::share_source_port(&node, fixture.connections_to_far()).unwrap();
    let far = fixture.far();
    let script = format!(
        "exec 3<>/dev/tcp/{}/{} && echo open && sleep 60",
        far.ip(),
        far.port()
    );
    let first = fixture.dialogues.server.command("bash");
    let mut first = first.args(["-c", &script]).spawn().unwrap();
    wait_for_output(&mut first, "open", PATIENCE).unwrap();
    let parent = fixture.knock(PATIENCE);
    drop((first, rule));
    wait_for_refusal(&mut fixture, "insert_failed", refusals);
    let outcome = fixture.finish();
    let connect = failed_connect(&outcome, &parent);
    connect.assert_attributes(&[
        ("error.type", "timeout"),
        ("hopspan.drop.reason", "NETFILTER_DROP"),
        ("hopspan.drop.hop", "netfilter.postrouting"),
        ("hopspan.drop.by", "conntrack"),
        ("hopspan.tcp.retransmits", "1"),
    ]);
    assert_last_hop(&outcome, connect, "netfilter.postrouting");
    let failures = |reason, hop| outcome.report().failures(reason, FAR_SERVICE, hop);
    assert_eq!(failures("NETFILTER_DROP", "netfilter.postrouting"), 2);
    assert_eq!(failures("timeout", "netfilter.postrouting"), 1);
}
