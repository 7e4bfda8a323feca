//! Heads as real clients write them: in several writes, with long headers, several in one write.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::time::Duration;

use hopspan_e2e::Fixture;
use hopspan_lab::hotrod::HotRod;

const DEADLINE: Duration = Duration::from_secs(30);
const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";

/// A header line with the context of another application's span.
fn traceparent(span: u8) -> String {
    format!(r"traceparent: 00-{TRACE}-00000000000000{span:02x}-01\r\n")
}

/// Runs a script that writes to file descriptor 3: a connection from the client's pod to the
/// ClusterIP of `customer`.
fn write(hotrod: &HotRod, script: &str) {
    let customer = hotrod
        .services()
        .iter()
        .find(|service| service.name == "customer")
        .unwrap();
    let address = customer.address();
    let script = format!(
        "exec 3<>/dev/tcp/{}/{}; {script}; timeout 5 cat <&3 >/dev/null",
        address.ip(),
        address.port()
    );
    hotrod
        .client()
        .command("bash")
        .args(["-c", &script])
        .run(DEADLINE)
        .unwrap();
}

/// Runs a script. Returns the exchanges of its trace as (parent, path, status).
fn exchanges(label: &str, script: &str) -> Vec<(String, String, String)> {
    let mut fixture = Fixture::start(label).unwrap();
    let hotrod = fixture.hotrod().unwrap();
    write(&hotrod, script);
    hotrod.stop().unwrap();
    let outcome = fixture.finish().unwrap();
    outcome.report().assert_nothing_lost();
    let trace = outcome.traces.0.get(TRACE).cloned().unwrap_or_default();
    let mut exchanges = trace.exchanges();
    exchanges.sort_by_key(|exchange| exchange.start_ns);
    exchanges
        .iter()
        .map(|exchange| {
            assert_eq!(exchange.attribute("hopspan.incomplete"), "", "{exchange:?}");
            (
                exchange.parent_id.clone(),
                exchange.attribute("url.path").to_owned(),
                exchange.attribute("http.response.status_code").to_owned(),
            )
        })
        .collect()
}

fn expected(span: u8, path: &str, status: &str) -> (String, String, String) {
    (
        format!("00000000000000{span:02x}"),
        path.into(),
        status.into(),
    )
}

#[test]
fn a_head_in_four_writes() {
    if hopspan_lab::skip("a_head_in_four_writes") {
        return;
    }
    let script = format!(
        r#"printf 'GET /customer?customer=123 HT' >&3; sleep 0.05; printf 'TP/1.1\r\nHost: a\r\ntrace' >&3; sleep 0.05;
           printf '{}' >&3; sleep 0.05; printf 'Connection: close\r\n\r\n' >&3"#,
        traceparent(1).strip_prefix("trace").unwrap()
    );
    assert_eq!(
        exchanges("pieces", &script),
        [expected(1, "/customer", "200")]
    );
}

#[test]
fn a_context_after_eight_kilobytes_of_cookies() {
    if hopspan_lab::skip("a_context_after_eight_kilobytes_of_cookies") {
        return;
    }
    let script = format!(
        r#"printf 'GET /customer?customer=123 HTTP/1.1\r\nHost: a\r\nCookie: %08192d\r\n{}Connection: close\r\n\r\n' 7 >&3"#,
        traceparent(2)
    );
    assert_eq!(
        exchanges("cookies", &script),
        [expected(2, "/customer", "200")]
    );
}

#[test]
fn three_requests_in_one_write() {
    if hopspan_lab::skip("three_requests_in_one_write") {
        return;
    }
    let request = |span: u8, path: &str, close: &str| {
        format!(
            r"GET {path} HTTP/1.1\r\nHost: a\r\n{}{close}\r\n",
            traceparent(span)
        )
    };
    // The shell's printf writes line by line: dd makes one write of it.
    let script = format!(
        "printf '{}{}{}' | dd bs=64K iflag=fullblock status=none >&3",
        request(3, "/customer?customer=123", ""),
        request(4, "/nowhere", ""),
        request(5, "/customer?customer=392", r"Connection: close\r\n"),
    );
    assert_eq!(
        exchanges("pipelined", &script),
        [
            expected(3, "/customer", "200"),
            expected(4, "/nowhere", "404"),
            expected(5, "/customer", "200"),
        ]
    );
}
