//! A pod's address to which the node has no route, on a bridge: the bridge passes the translated
//! packet to the node's own stack, which cannot send it on.

use std::time::Duration;

use hopspan_lab::kube_proxy::ProxyMode;

use super::fixture::{Far, FaultFixture, UNROUTABLE, assert_last_hop, failed_connect};

const PATIENCE: Duration = Duration::from_millis(1_500);
const TOOL_LIMIT: Duration = Duration::from_secs(30);

#[test]
fn a_pod_address_without_a_route() {
    if hopspan_lab::skip("a_pod_address_without_a_route") {
        return;
    }
    let fixture = FaultFixture::start("no-route", ProxyMode::default(), Far::Unroutable);
    let node = fixture.dialogues.node();
    // Instead of the default route.
    let route = ["route", "add", "unreachable", &UNROUTABLE.to_string()];
    node.command("ip").args(route).run(TOOL_LIMIT).unwrap();
    let parent = fixture.knock(PATIENCE);
    let outcome = fixture.finish();
    let connect = failed_connect(&outcome, &parent);
    connect.assert_attributes(&[
        ("error.type", "host_unreachable"),
        ("hopspan.drop.hop", "route"),
    ]);
    assert_last_hop(&outcome, connect, "route");
}
