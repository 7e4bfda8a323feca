//! A keep-alive race: a request meets a socket that the server has just closed. The kernel of the
//! server's pod drops the request and answers it with a RST.

use std::time::Duration;

use hopspan_e2e::{
    Parent, end,
    http1::{HEAD_END, OK, get_traced},
    pause, send, until,
};
use hopspan_lab::kube_proxy::ProxyMode;

use super::fixture::{Far, FaultFixture};

/// Long enough that the server has closed.
const LATER: Duration = Duration::from_millis(50);

#[test]
fn a_request_after_the_server_has_closed() {
    if hopspan_lab::skip("a_request_after_the_server_has_closed") {
        return;
    }
    let fixture = FaultFixture::start("stack", ProxyMode::default(), Far::Missing);
    let (first, second) = (Parent::new(), Parent::new());
    // The server closes after its last step.
    let server = [until(HEAD_END), send(OK)];
    let client = [
        send(get_traced("/first", &first)),
        until("ok"),
        pause(LATER),
        send(get_traced("/second", &second)),
        end(),
    ];
    fixture.dialogues.play(&server, &client).unwrap();
    let outcome = fixture.finish();
    first
        .exchange(&outcome.traces)
        .assert_attributes(&[("http.response.status_code", "200"), ("error.type", "")]);
    let exchange = &second.exchange(&outcome.traces);
    exchange.assert_attributes(&[
        ("http.response.status_code", ""),
        ("hopspan.closed_by", "server"),
    ]);
    assert!(exchange.is_error(), "{exchange:#?}");
    let request = exchange.path("request");
    request.assert_attributes(&[("hopspan.drop.hop", "server.stack")]);
}
