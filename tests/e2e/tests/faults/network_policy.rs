//! A rule that drops forwarded packets silently, as a NetworkPolicy does: TCP sends the SYN again.

use std::time::Duration;

use hopspan_lab::fault;

use super::fixture::{FAR_SERVICE, Far, FaultFixture, MODES, assert_last_hop, failed_connect};

#[test]
fn a_network_policy_drops() {
    if hopspan_lab::skip("a_network_policy_drops") {
        return;
    }
    for mode in MODES {
        println!("{mode}");
        let fixture = FaultFixture::start("policy", mode, Far::Listens);
        let rule =
            fault::drop_forwarded(fixture.dialogues.node(), fixture.connections_to_far()).unwrap();
        let parent = fixture.knock(Duration::from_millis(1_500));
        drop(rule);
        let outcome = fixture.finish();
        let connect = failed_connect(&outcome, &parent);
        connect.assert_attributes(&[
            ("error.type", "timeout"),
            ("hopspan.kube_proxy.service", "dialogue/far"),
            ("hopspan.drop.reason", "NETFILTER_DROP"),
            ("hopspan.drop.hop", "netfilter.forward"),
            ("hopspan.drop.by", ""),
            ("hopspan.tcp.retransmits", "1"),
        ]);
        assert_eq!(connect.events, ["tcp.retransmitted"]);
        assert_last_hop(&outcome, connect, "netfilter.forward");
        let failures = |reason, hop| outcome.report().failures(reason, FAR_SERVICE, hop);
        assert_eq!(failures("NETFILTER_DROP", "netfilter.forward"), 2);
        assert_eq!(failures("retransmitted", "netfilter.forward"), 1);
        assert_eq!(failures("timeout", "netfilter.forward"), 1);
    }
}
