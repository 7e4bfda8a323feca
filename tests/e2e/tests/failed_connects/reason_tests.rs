//! Why and where a connect failed: from the socket's error, and from the packet that was dropped.

use std::{net::SocketAddr, time::Duration};

use hopspan_e2e::{DialogueFixture, Kernel, hop_names, insert_rule, play_client};

use super::fixture::{FailedConnectFixture, LONG, failed, knock_from};

/// More than the second after which TCP sends a SYN again, and less than the third.
const IMPATIENT: Duration = Duration::from_millis(1_800);
/// A rule of the test drops packets to this port.
const DROPPED: u16 = 7100;

#[test]
fn every_failed_connect_has_its_cause_and_hop() {
    if hopspan_lab::skip("every_failed_connect_has_its_cause_and_hop") {
        return;
    }
    let fixture = FailedConnectFixture::start("connect-reasons");
    let DialogueFixture { client, server, .. } = &fixture.dialogues;
    let node = fixture.dialogues.node();
    insert_rule(node, &format!("FORWARD -p tcp --dport {DROPPED} -j DROP")).unwrap();
    let [closed, closed6, closed_too] = fixture.closed;
    let [refused, dropped] = [7101, DROPPED].map(|port| fixture.server(port));
    let refused6 = SocketAddr::new(server.ip6().into(), 7102);
    for address in [refused, refused6, closed, closed6] {
        knock_from(client, address, LONG);
    }
    knock_from(client, dropped, IMPATIENT);
    // A client that blocks in connect(2): the kernel returns only after TCP has sent the SYN again.
    let mut blocking = play_client(client, closed_too, &[]).unwrap();
    let status = blocking.wait(LONG).unwrap();
    assert!(status.is_some_and(|status| !status.success()), "{status:?}");
    // The node's own connection: it is refused in OUTPUT, before its packet passes any hook of
    // pods.
    let of_node = SocketAddr::from(([10, 96, 0, 41], 81));
    insert_rule(node, "OUTPUT -p tcp -d 10.96.0.41 --dport 81 -j REJECT").unwrap();
    knock_from(node, of_node, LONG);
    let outcome = fixture.finish();
    let traces = &outcome.traces;
    let has_netfilter = Kernel::running().has_netfilter_links();
    for address in [refused, refused6] {
        let (trace, connect) = failed(traces, address);
        connect.assert_attributes(&[
            ("error.type", "connection_refused"),
            ("hopspan.drop.reason", "NO_SOCKET"),
            ("hopspan.drop.hop", "server.stack"),
            ("hopspan.kube_proxy.refusal", ""),
            ("hopspan.closed_by", ""),
            ("hopspan.correlation", ""),
            ("hopspan.incomplete", ""),
        ]);
        let hops = hop_names(trace, connect);
        assert_eq!(hops.first(), Some(&"client.stack"), "{hops:?}");
        assert_eq!(hops.last(), Some(&"server.stack"), "{hops:?}");
        let first = trace.children(connect)[0];
        assert_eq!(first.start_ns, connect.start_ns, "from the call");
    }
    for address in [closed, closed6] {
        let (_, connect) = failed(traces, address);
        connect.assert_attributes(&[
            ("error.type", "connection_refused"),
            ("hopspan.drop.reason", "NETFILTER_DROP"),
            ("hopspan.kube_proxy.service", "failed/closed"),
            ("hopspan.kube_proxy.refusal", "no endpoints"),
            ("k8s.service.name", "closed"),
        ]);
        if has_netfilter {
            let hop = connect.attribute("hopspan.drop.hop");
            assert_eq!(hop, "netfilter.forward", "{connect:#?}");
        }
    }
    let (_, connect) = failed(traces, closed_too);
    connect.assert_attributes(&[
        ("error.type", "connection_refused"),
        ("hopspan.kube_proxy.service", "failed/closed-too"),
        ("hopspan.tcp.retransmits", "1"),
        ("hopspan.closed_by", ""),
    ]);
    let (_, connect) = failed(traces, dropped);
    connect.assert_attributes(&[
        ("error.type", "timeout"),
        ("hopspan.closed_by", "client"),
        ("hopspan.drop.reason", "NETFILTER_DROP"),
        ("hopspan.tcp.retransmits", "1"),
    ]);
    assert_eq!(connect.events, ["tcp.retransmitted"]);
    let lasted = Duration::from_nanos(connect.duration_ns());
    assert!(lasted >= IMPATIENT && lasted < LONG, "{lasted:?}");
    let (trace, connect) = failed(traces, of_node);
    connect.assert_attributes(&[
        ("error.type", "connection_refused"),
        ("hopspan.incomplete", "path"),
        ("destination.address", "10.96.0.41"),
    ]);
    assert_ne!(connect.attribute("source.port"), "0");
    assert_eq!(trace.children(connect).len(), 0);
    let counted = |what| outcome.report().number(&["pipeline", what]);
    assert_eq!(counted("failed_connects"), 7);
    assert_eq!(counted("failed_connects_inferred"), 0);
}
