//! A connect that is refused: nobody listens, and the kernel there answers with a RST; or the service has
//! no endpoints, and kube-proxy's REJECT answers, or its verdict map in nftables mode.

use std::time::Duration;

use super::fixture::{FAR, Far, Ground, MODES, check, check_last_hop, failed_connect};

const PATIENCE: Duration = Duration::from_secs(5);

/// In either of kube-proxy's modes: the span, its parent, and what is counted.
fn check_refused(label: &str, far: Far, reason: &str, hop: &str, attributes: &[&str]) {
    for mode in MODES {
        println!("{mode}");
        let ground = Ground::start(label, mode, far);
        let parent = ground.knock(PATIENCE);
        let outcome = ground.finish();
        let connect = failed_connect(&outcome, &parent);
        check(connect, attributes);
        assert_eq!(connect.attribute("error.type"), "connection_refused");
        assert_eq!(
            connect.attribute("hopspan.kube_proxy.service"),
            "dialogue/far"
        );
        assert_eq!(connect.attribute("hopspan.drop.reason"), reason);
        assert_eq!(connect.attribute("hopspan.drop.hop"), hop);
        check_last_hop(&outcome, connect, hop);
        let failures = |reason| outcome.report.failures(reason, FAR, hop);
        assert_eq!(failures(reason), 1);
        assert_eq!(failures("connection_refused"), 1);
    }
}

#[test]
fn an_endpoint_where_nobody_listens() {
    if hopspan_lab::skip("an_endpoint_where_nobody_listens") {
        return;
    }
    let attributes = [
        "hopspan.kube_proxy.refusal=",
        "hopspan.nat.original=10.96.0.31:80",
    ];
    check_refused(
        "refused",
        Far::Silent,
        "NO_SOCKET",
        "server.stack",
        &attributes,
    );
}

#[test]
fn a_service_without_endpoints() {
    if hopspan_lab::skip("a_service_without_endpoints") {
        return;
    }
    let attributes = [
        "hopspan.kube_proxy.refusal=no endpoints",
        "hopspan.drop.by=",
    ];
    check_refused(
        "no-endpoints",
        Far::Missing,
        "NETFILTER_DROP",
        "netfilter.forward",
        &attributes,
    );
}
