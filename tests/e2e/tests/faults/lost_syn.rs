//! A SYN that is lost once: the connect takes a second, and its attributes give the cause.

use std::time::Duration;

use hopspan_e2e::{
    Parent,
    http1::{HEAD_END, OK, get_traced},
    send, until,
};
use hopspan_lab::fault;

use super::fixture::{Far, FaultFixture, MODES, SERVICE, assert_whole};

/// The time after which TCP sends a SYN again (kernel: TCP_TIMEOUT_INIT).
const SYN_TIMEOUT: Duration = Duration::from_secs(1);

#[test]
fn a_syn_that_is_lost_once() {
    if hopspan_lab::skip("a_syn_that_is_lost_once") {
        return;
    }
    for mode in MODES {
        println!("{mode}");
        let fixture = FaultFixture::start("lost-syn", mode, Far::Missing);
        let rule = fault::lose_first_syn(fixture.dialogues.node(), fixture.connections_to_server())
            .unwrap();
        let parent = Parent::new();
        let client = [send(get_traced("/item", &parent)), until("ok")];
        let server = [until(HEAD_END), send(OK)];
        fixture.dialogues.play(&server, &client).unwrap();
        drop(rule);
        let outcome = fixture.finish();
        let exchange = &parent.exchange(&outcome.traces);
        exchange.assert_attributes(&[("http.response.status_code", "200"), ("error.type", "")]);
        let trace = parent.trace(&outcome.traces);
        let connect = exchange.paths("connect")[0];
        connect.assert_attributes(&[
            ("hopspan.tcp.retransmits", "1"),
            ("hopspan.drop.reason", "NETFILTER_DROP"),
            ("hopspan.drop.hop", "netfilter.forward"),
            ("hopspan.incomplete", ""),
        ]);
        // The second SYN has arrived: this is no error.
        assert!(!connect.is_error(), "{connect:#?}");
        assert_eq!(connect.events, ["tcp.retransmitted"]);
        let event = &connect.event_attributes[0];
        for (key, value) in [
            ("hopspan.tcp.packet", "SYN"),
            ("hopspan.drop.reason", "NETFILTER_DROP"),
            ("hopspan.drop.hop", "netfilter.forward"),
        ] {
            assert_eq!(event.get(key).map(String::as_str), Some(value), "{event:?}");
        }
        assert_whole(&outcome, connect);
        let first = trace.children(connect)[0];
        first.assert_attributes(&[("hopspan.hop", "client.stack")]);
        assert!(Duration::from_nanos(first.duration_ns()) > SYN_TIMEOUT * 9 / 10);
        let failures = |reason, hop| outcome.report().failures(reason, SERVICE, hop);
        assert_eq!(failures("NETFILTER_DROP", "netfilter.forward"), 1);
        assert_eq!(failures("retransmitted", "netfilter.forward"), 1);
    }
}
