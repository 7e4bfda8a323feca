//! A drop where the node forwards, as a NetworkPolicy does: nobody is told, and the SYN goes out again.

use std::time::Duration;

use hopspan_lab::fault;

use super::fixture::{FAR, Far, Ground, MODES, check, check_last_hop, failed_connect};

#[test]
fn a_network_policy_drops() {
    if hopspan_lab::skip("a_network_policy_drops") {
        return;
    }
    for mode in MODES {
        println!("{mode}");
        let ground = Ground::start("policy", mode, Far::Listens);
        let rule = fault::drop_forwarded(&ground.dialogues.scene.node, ground.server_s()).unwrap();
        let parent = ground.knock(Duration::from_millis(1_500));
        drop(rule);
        let outcome = ground.finish();
        let connect = failed_connect(&outcome, &parent);
        check(
            connect,
            &[
                "error.type=timeout",
                "hopspan.kube_proxy.service=dialogue/far",
                "hopspan.drop.reason=NETFILTER_DROP",
                "hopspan.drop.hop=netfilter.forward",
                "hopspan.drop.by=",
                "hopspan.tcp.retransmits=1",
            ],
        );
        assert_eq!(connect.events, ["tcp.retransmitted"]);
        check_last_hop(&outcome, connect, "netfilter.forward");
        let failures = |reason, hop| outcome.report.failures(reason, FAR, hop);
        assert_eq!(failures("NETFILTER_DROP", "netfilter.forward"), 2);
        assert_eq!(failures("retransmitted", "netfilter.forward"), 1);
        assert_eq!(failures("timeout", "netfilter.forward"), 1);
    }
}
