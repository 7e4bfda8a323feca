//! A service without endpoints: kube-proxy's REJECT, or its verdict map in nftables mode.

use std::time::Duration;

use super::ground::{FAR, Far, Ground, MODES, check, check_last_hop, failed_connect};

#[test]
fn a_service_without_endpoints() {
    if hopspan_lab::skip("a_service_without_endpoints") {
        return;
    }
    for mode in MODES {
        println!("{mode}");
        let ground = Ground::start("no-endpoints", mode, Far::Missing);
        let parent = ground.knock(Duration::from_secs(5));
        let outcome = ground.finish();
        let connect = failed_connect(&outcome, &parent);
        check(
            connect,
            &[
                "error.type=connection_refused",
                "hopspan.kube_proxy.service=dialogue/far",
                "hopspan.kube_proxy.refusal=no endpoints",
                "hopspan.drop.reason=NETFILTER_DROP",
                "hopspan.drop.hop=netfilter.forward",
                "hopspan.drop.by=",
            ],
        );
        check_last_hop(&outcome, connect, "netfilter.forward");
        let failures = |reason, hop| outcome.report.failures(reason, FAR, hop);
        assert_eq!(failures("NETFILTER_DROP", "netfilter.forward"), 1);
        assert_eq!(failures("connection_refused", "netfilter.forward"), 1);
    }
}
