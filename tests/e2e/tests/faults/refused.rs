//! An endpoint where nobody listens: its kernel answers with a RST.

use std::time::Duration;

use super::ground::{FAR, Far, Ground, MODES, check, check_last_hop, failed_connect};

#[test]
fn an_endpoint_where_nobody_listens() {
    if hopspan_lab::skip("an_endpoint_where_nobody_listens") {
        return;
    }
    for mode in MODES {
        println!("{mode}");
        let ground = Ground::start("refused", mode, Far::Silent);
        let parent = ground.knock(Duration::from_secs(5));
        let outcome = ground.finish();
        let connect = failed_connect(&outcome, &parent);
        check(
            connect,
            &[
                "error.type=connection_refused",
                "hopspan.kube_proxy.service=dialogue/far",
                "hopspan.kube_proxy.refusal=",
                "hopspan.nat.original=10.96.0.31:80",
                "hopspan.drop.reason=NO_SOCKET",
                "hopspan.drop.hop=server.stack",
            ],
        );
        check_last_hop(&outcome, connect, "server.stack");
        let failures = |reason, hop| outcome.report.failures(reason, FAR, hop);
        assert_eq!(failures("NO_SOCKET", "server.stack"), 1);
        assert_eq!(failures("connection_refused", "server.stack"), 1);
    }
}
