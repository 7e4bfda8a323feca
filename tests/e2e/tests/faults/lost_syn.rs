//! A SYN that is lost once: the connect is a second long, and says why.

use std::time::Duration;

use hopspan_e2e::{Parent, send, until};
use hopspan_lab::fault;

use super::fixture::{Far, Ground, MODES, SERVICE, check, check_whole, get};

/// TCP sends a SYN again after so long (kernel: TCP_TIMEOUT_INIT).
const AGAIN: Duration = Duration::from_secs(1);

#[test]
fn a_syn_that_is_lost_once() {
    if hopspan_lab::skip("a_syn_that_is_lost_once") {
        return;
    }
    for mode in MODES {
        println!("{mode}");
        let ground = Ground::start("lost-syn", mode, Far::Missing);
        let rule = fault::lose_first_syn(&ground.dialogues.scene.node, ground.client_s()).unwrap();
        let parent = Parent::new();
        let answer = send("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
        let client = [send(get(&parent)), until("ok")];
        let server = [until("\r\n\r\n"), answer];
        ground.dialogues.play(&server, &client).unwrap();
        drop(rule);
        let outcome = ground.finish();
        let exchange = parent.exchange(&outcome.traces);
        check(exchange, &["http.response.status_code=200", "error.type="]);
        let trace = parent.trace(&outcome.traces);
        let connect = trace.children_of_role(exchange, "connect")[0];
        check(
            connect,
            &[
                "hopspan.tcp.retransmits=1",
                "hopspan.drop.reason=NETFILTER_DROP",
                "hopspan.drop.hop=netfilter.forward",
                "hopspan.incomplete=",
            ],
        );
        // It has arrived: this is no error.
        assert_eq!(connect.status, 0, "{connect:#?}");
        assert_eq!(connect.events, ["tcp.retransmitted"]);
        let event = &connect.event_attributes[0];
        for (key, value) in [
            ("hopspan.tcp.packet", "SYN"),
            ("hopspan.drop.reason", "NETFILTER_DROP"),
            ("hopspan.drop.hop", "netfilter.forward"),
        ] {
            assert_eq!(event.get(key).map(String::as_str), Some(value), "{event:?}");
        }
        check_whole(&outcome, connect);
        let first = trace.children(connect)[0];
        check(first, &["hopspan.hop=client.stack"]);
        assert!(Duration::from_nanos(first.duration_ns()) > AGAIN * 9 / 10);
        let failures = |reason, hop| outcome.report.failures(reason, SERVICE, hop);
        assert_eq!(failures("NETFILTER_DROP", "netfilter.forward"), 1);
        assert_eq!(failures("retransmitted", "netfilter.forward"), 1);
    }
}
