//! A connect that is refused: by the kernel's RST where no socket listens; where the service has no
//! endpoints, by kube-proxy's REJECT rule, or its verdict map in nftables mode.

use std::time::Duration;

use super::fixture::{FAR_SERVICE, Far, FaultFixture, MODES, assert_last_hop, failed_connect};

const PATIENCE: Duration = Duration::from_secs(5);

/// Checks the span, its parent and the counters in either of kube-proxy's modes.
fn check_refused(label: &str, far: Far, reason: &str, hop: &str, attributes: &[(&str, &str)]) {
    for mode in MODES {
        println!("{mode}");
        let fixture = FaultFixture::start(label, mode, far);
        let parent = fixture.knock(PATIENCE);
        let outcome = fixture.finish();
        let connect = failed_connect(&outcome, &parent);
        connect.assert_attributes(attributes);
        connect.assert_attributes(&[
            ("error.type", "connection_refused"),
            ("hopspan.kube_proxy.service", "dialogue/far"),
            ("hopspan.drop.reason", reason),
            ("hopspan.drop.hop", hop),
        ]);
        assert_last_hop(&outcome, connect, hop);
        let failures = |reason| outcome.report().failures(reason, FAR_SERVICE, hop);
        assert_eq!(failures(reason), 1);
        assert_eq!(failures("connection_refused"), 1);
    }
}

#[test]
fn an_endpoint_without_a_listener() {
    if hopspan_lab::skip("an_endpoint_without_a_listener") {
        return;
    }
    let attributes = [
        ("hopspan.kube_proxy.refusal", ""),
        ("hopspan.nat.original", "10.96.0.31:80"),
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
        ("hopspan.kube_proxy.refusal", "no endpoints"),
        ("hopspan.drop.by", ""),
    ];
    check_refused(
        "no-endpoints",
        Far::Missing,
        "NETFILTER_DROP",
        "netfilter.forward",
        &attributes,
    );
}
