//! A server that resets the connection before it answers.

use hopspan_e2e::{
    Parent, end,
    http1::{HEAD_END, get_traced},
    reset, send, until,
};
use hopspan_lab::kube_proxy::ProxyMode;

use super::fixture::{Far, FaultFixture, SERVICE};

#[test]
fn a_reset_before_the_answer() {
    if hopspan_lab::skip("a_reset_before_the_answer") {
        return;
    }
    let fixture = FaultFixture::start("reset", ProxyMode::default(), Far::Missing);
    let parent = Parent::new();
    let server = [until(HEAD_END), reset()];
    let client = [send(get_traced("/item", &parent)), end()];
    fixture.dialogues.play(&server, &client).unwrap();
    let outcome = fixture.finish();
    let exchange = &parent.exchange(&outcome.traces);
    exchange.assert_attributes(&[
        ("error.type", "connection_reset"),
        ("hopspan.closed_by", "server"),
    ]);
    let failures = outcome.report().failures("connection_reset", SERVICE, "");
    assert_eq!(failures, 1);
}
