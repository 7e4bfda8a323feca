//! Responses that the server sends and the client never receives. The server's status is no success
//! of the exchange: its client has failed.

use std::time::Duration;

use hopspan_e2e::{
    Outcome, Parent, Span, end,
    http1::{HEAD_END, OK, get_traced},
    pause, send, until,
};
use hopspan_lab::{Node, fault, kube_proxy::ProxyMode};

use super::fixture::{Far, FaultFixture};

/// How long the server works.
const WORK: Duration = Duration::from_secs(1);
/// How long the client waits for the response, from its request on.
const PATIENCE: Duration = Duration::from_secs(3);
/// Smaller than a response of [`large_response`], and larger than every other packet.
const SMALL_MTU: &str = "1000";
const TOOL_LIMIT: Duration = Duration::from_secs(30);

/// A response that fits in a packet of 1,500 bytes.
fn large_response() -> String {
    let body = ".".repeat(1_200);
    format!(
        "HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The client asks and waits. The path is broken while the server works, and stays so.
fn ask(fixture: &FaultFixture, response: &str, break_path: impl FnOnce(&Node)) -> Parent {
    let parent = Parent::new();
    let server = [until(HEAD_END), pause(WORK), send(response), end()];
    let client = [send(get_traced("/item", &parent)), pause(PATIENCE)];
    let mut dialogue = fixture.dialogues.begin(&server, &client).unwrap();
    dialogue.wait_server(1).unwrap();
    break_path(fixture.dialogues.node());
    assert!(!dialogue.server.log().contains("did step 1\n"), "too late");
    let client = dialogue.client.wait(TOOL_LIMIT).unwrap();
    assert!(client.is_some_and(|status| status.success()), "{client:?}");
    parent
}

/// The only response of an exchange that has failed.
fn failed_response<'o>(outcome: &'o Outcome, parent: &Parent) -> &'o Span {
    let exchange = parent.exchange(&outcome.traces);
    assert!(exchange.is_error(), "{exchange:#?}");
    exchange.path("response")
}

/// The server's node does not translate the response back. The client's pod does not know the
/// connection, and answers it with a RST.
#[test]
fn a_conntrack_entry_that_is_removed_during_an_exchange() {
    if hopspan_lab::skip("a_conntrack_entry_that_is_removed_during_an_exchange") {
        return;
    }
    let fixture = FaultFixture::start("untranslated", ProxyMode::default(), Far::Missing);
    let parent = ask(&fixture, OK, |node| fault::flush_conntrack(node).unwrap());
    let outcome = fixture.finish();
    let response = failed_response(&outcome, &parent);
    response.assert_attributes(&[
        ("hopspan.drop.reason", "NO_SOCKET"),
        ("hopspan.drop.hop", "server.stack"),
    ]);
    let exchange = parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[
        ("error.type", "connection_reset"),
        ("hopspan.closed_by", "client"),
    ]);
}

/// A packet that is too large for a port of the bridge is dropped behind POSTROUTING, without an
/// ICMP message (kernel: br_nf_dev_queue_xmit): the server sends again in vain.
#[test]
fn a_response_that_is_larger_than_the_path() {
    if hopspan_lab::skip("a_response_that_is_larger_than_the_path") {
        return;
    }
    let fixture = FaultFixture::start("black-hole", ProxyMode::default(), Far::Missing);
    let port = fixture.dialogues.client.node_interface().to_owned();
    let parent = ask(&fixture, &large_response(), |node| {
        let arguments = ["link", "set", &port, "mtu", SMALL_MTU];
        node.command("ip").args(arguments).run(TOOL_LIMIT).unwrap();
    });
    let outcome = fixture.finish();
    let response = failed_response(&outcome, &parent);
    response.assert_attributes(&[("hopspan.drop.hop", "route")]);
    assert_ne!(response.attribute("hopspan.tcp.retransmits"), "");
    let exchange = parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[
        ("error.type", "connection_closed"),
        ("hopspan.closed_by", "client"),
    ]);
    let lasted = Duration::from_nanos(exchange.duration_ns());
    let limits = PATIENCE..PATIENCE + Duration::from_millis(500);
    assert!(limits.contains(&lasted), "{lasted:?}");
}
