//! Why a connection could not be opened, and where: by the socket's error, and by the packet that was
//! dropped.

use std::{net::SocketAddr, time::Duration};

use hopspan_e2e::{Kernel, binary, hop_names};
use hopspan_lab::Node;

use crate::fixture::{LONG, Stage, assert_attributes, failed, knock};

const DEADLINE: Duration = Duration::from_secs(30);
/// More than the second after which TCP sends a SYN again, and less than the third.
const IMPATIENT: Duration = Duration::from_millis(1_800);
/// A rule of the test drops what goes there.
const DROPPED: u16 = 7100;

fn drop_forwarded(node: &Node, port: u16) {
    let rule = format!("*filter\n-I FORWARD -p tcp --dport {port} -j DROP\nCOMMIT\n");
    node.command("iptables-restore")
        .arg("--noflush")
        .stdin_text(&rule)
        .unwrap()
        .run(DEADLINE)
        .unwrap();
}

#[test]
fn every_failure_says_why_and_where() {
    if hopspan_lab::skip("every_failure_says_why_and_where") {
        return;
    }
    let stage = Stage::start("connect-reasons");
    drop_forwarded(&stage.scene.node, DROPPED);
    let echo = || binary("echo").unwrap();
    let [closed, closed6, closed_too] = stage.closed;
    let [refused, dropped] = [7101, DROPPED].map(|port| stage.nobody(port));
    let refused6 = SocketAddr::new(stage.server.ip6().into(), 7102);
    for address in [refused, refused6, closed, closed6] {
        knock(stage.client.command(echo()), address, LONG);
    }
    knock(stage.client.command(echo()), dropped, IMPATIENT);
    // A client that blocks in connect(2): the kernel lets it wait until TCP has sent the SYN again.
    let blocks = stage.client.command(echo());
    let address = closed_too.to_string();
    let output = blocks.args(["play", "--connect", &address]).output(LONG);
    assert!(!output.unwrap().status.success());
    // The node's own connection: it is refused in OUTPUT, before its packet passes any hook of pods.
    let of_node = SocketAddr::from(([10, 96, 0, 41], 81));
    let rule = "*filter\n-I OUTPUT -p tcp -d 10.96.0.41 --dport 81 -j REJECT\nCOMMIT\n";
    let restore = stage.scene.node.command("iptables-restore");
    restore
        .arg("--noflush")
        .stdin_text(rule)
        .unwrap()
        .run(DEADLINE)
        .unwrap();
    knock(stage.scene.node.command(echo()), of_node, LONG);
    let outcome = stage.finish();
    let traces = &outcome.traces;
    let has_netfilter = Kernel::running().has_netfilter_links();
    for address in [refused, refused6] {
        let (trace, connect) = failed(traces, address);
        assert_attributes(
            connect,
            &[
                ("error.type", "connection_refused"),
                ("hopspan.drop.reason", "NO_SOCKET"),
                ("hopspan.drop.hop", "server.stack"),
                ("hopspan.kube_proxy.refusal", ""),
                ("hopspan.closed_by", ""),
                ("hopspan.correlation", ""),
                ("hopspan.incomplete", ""),
            ],
        );
        let hops = hop_names(trace, connect);
        assert_eq!(hops.first(), Some(&"client.stack"), "{hops:?}");
        assert_eq!(hops.last(), Some(&"server.stack"), "{hops:?}");
        let first = trace.children(connect)[0];
        assert_eq!(first.start_ns, connect.start_ns, "from the call");
    }
    for address in [closed, closed6] {
        let (_, connect) = failed(traces, address);
        assert_attributes(
            connect,
            &[
                ("error.type", "connection_refused"),
                ("hopspan.drop.reason", "NETFILTER_DROP"),
                ("hopspan.kube_proxy.service", "failed/closed"),
                ("hopspan.kube_proxy.refusal", "no endpoints"),
                ("k8s.service.name", "closed"),
            ],
        );
        if has_netfilter {
            let hop = connect.attribute("hopspan.drop.hop");
            assert_eq!(hop, "netfilter.forward", "{connect:#?}");
        }
    }
    let (_, connect) = failed(traces, closed_too);
    assert_attributes(
        connect,
        &[
            ("error.type", "connection_refused"),
            ("hopspan.kube_proxy.service", "failed/closed-too"),
            ("hopspan.tcp.retransmits", "1"),
            ("hopspan.closed_by", ""),
        ],
    );
    let (_, connect) = failed(traces, dropped);
    assert_attributes(
        connect,
        &[
            ("error.type", "timeout"),
            ("hopspan.closed_by", "client"),
            ("hopspan.drop.reason", "NETFILTER_DROP"),
            ("hopspan.tcp.retransmits", "1"),
        ],
    );
    assert_eq!(connect.events, ["tcp.retransmitted"]);
    let lasted = Duration::from_nanos(connect.duration_ns());
    assert!(lasted >= IMPATIENT && lasted < LONG, "{lasted:?}");
    let (trace, connect) = failed(traces, of_node);
    assert_attributes(
        connect,
        &[
            ("error.type", "connection_refused"),
            ("hopspan.incomplete", "path"),
            ("destination.address", "10.96.0.41"),
        ],
    );
    assert_ne!(connect.attribute("source.port"), "0");
    assert_eq!(trace.children(connect).len(), 0);
    let counted = |what| outcome.report.number(&["pipeline", what]);
    assert_eq!(counted("failed_connects"), 7);
    assert_eq!(counted("failed_connects_inferred"), 0);
}
