//! A connection that is thrown away while an answer is expected.

use hopspan_e2e::{Parent, end, reset, send, until};
use hopspan_lab::kube_proxy::ProxyMode;

use super::fixture::{Far, Ground, SERVICE, check, get};

#[test]
fn a_reset_before_the_answer() {
    if hopspan_lab::skip("a_reset_before_the_answer") {
        return;
    }
    let ground = Ground::start("reset", ProxyMode::default(), Far::Missing);
    let parent = Parent::new();
    let server = [until("\r\n\r\n"), reset()];
    let client = [send(get(&parent)), end()];
    ground.dialogues.play(&server, &client).unwrap();
    let outcome = ground.finish();
    let exchange = parent.exchange(&outcome.traces);
    check(
        exchange,
        &["error.type=connection_reset", "hopspan.closed_by=server"],
    );
    let failures = outcome.report.failures("connection_reset", SERVICE, "");
    assert_eq!(failures, 1);
}
