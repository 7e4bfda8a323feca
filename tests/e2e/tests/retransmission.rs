//! Heads whose first packet a rule of the node drops: TCP sends them again. There is one exchange,
//! with the retransmission.

#![allow(
    clippy::unwrap_used,
    reason = "a test ends where it fails, helper functions too"
)]

use std::time::Duration;

use hopspan_e2e::{
    DialogueFixture, DropRule, Dropped, Parent, Step, Traces, assert_legs, frames,
    http1::{self, HEAD_END, traceparent},
    send, until,
};

/// The shortest time after which TCP sends again (kernel: TCP_RTO_MIN).
const RTO_MIN: Duration = Duration::from_millis(200);
/// A text in the head whose packets are dropped.
const LOST: &str = "lost-at-first";

/// The steps of the server and of the client. One of them sends [`LOST`].
type Parts = (Vec<Step>, Vec<Step>);

/// Three exchanges: the first and the third must not be confused with the second, whose head is
/// lost.
fn on_http1(parents: &[Parent; 3], request: &str, response: &str) -> Parts {
    let texts = [("", ""), (request, response), ("", "")];
    let (mut server, mut client) = (Vec::new(), Vec::new());
    for ((request, response), parent) in texts.iter().zip(parents) {
        let lines = format!("x: {request}\r\n{}", traceparent(parent));
        let head = format!("HTTP/1.1 200 OK\r\nx: {response}\r\nContent-Length: 4\r\n\r\n");
        client.extend([send(http1::request("GET", "/item", &lines)), until("body")]);
        server.extend([until(HEAD_END), send(head + "body")]);
    }
    (server, client)
}

fn on_http2(parents: &[Parent; 3], request: &str, response: &str) -> Parts {
    let texts = [("", ""), (request, response), ("", "")];
    let mut server = vec![until(frames::settings()), send(frames::settings())];
    let mut client = vec![send(frames::preface()), until(frames::settings())];
    for (index, ((request, response), parent)) in texts.iter().zip(parents).enumerate() {
        let stream = 2 * u32::try_from(index).unwrap() + 1;
        let traceparent = parent.traceparent();
        let answer = frames::headers(stream, &[(":status", "200"), ("x", response)], true);
        client.extend([
            send(frames::get(
                stream,
                "/item",
                &[("traceparent", &traceparent), ("x", request)],
            )),
            until(&answer),
        ]);
        server.extend([until(&traceparent), send(&answer)]);
    }
    (server, client)
}

/// Checks the exchange whose leg `lost` was dropped `retransmits` times, and its neighbours.
fn assert(traces: &Traces, parents: &[Parent; 3], lost: &str, retransmits: usize) {
    for (index, parent) in parents.iter().enumerate() {
        let (trace, exchange) = (parent.trace(traces), &parent.exchange(traces));
        exchange.assert_attributes(&[
            ("url.path", "/item"),
            ("http.response.status_code", "200"),
            ("hopspan.incomplete", ""),
            ("error.type", ""),
        ]);
        assert_legs(trace, exchange, index == 0);
        for role in ["request", "response"] {
            let leg = exchange.paths(role)[0];
            if (index, role, lost) == (1, "request", "response") {
                // The lost response would have acknowledged the request. Without it the request may
                // be sent again: it arrives twice and counts once.
                assert_eq!(leg.attribute("hopspan.drop.hop"), "", "{leg:#?}");
                continue;
            }
            if (index, role) != (1, lost) {
                assert_eq!(leg.attribute("hopspan.tcp.retransmits"), "", "{leg:#?}");
                assert!(leg.events.is_empty(), "{leg:#?}");
                continue;
            }
            let count = retransmits.to_string();
            assert_eq!(leg.attribute("hopspan.tcp.retransmits"), count, "{leg:#?}");
            assert_eq!(leg.events, vec!["tcp.retransmitted"; retransmits]);
            assert_eq!(leg.attribute("hopspan.drop.hop"), "netfilter.forward");
            assert_eq!(leg.attribute("hopspan.drop.reason"), "NETFILTER_DROP");
            // The time until TCP sent it again is spent in the sender's stack.
            let first = trace.children(leg)[0];
            assert_eq!(first.attribute("hopspan.hop"), "client.stack");
            assert!(
                Duration::from_nanos(first.duration_ns()) > RTO_MIN / 2,
                "{first:#?}"
            );
        }
    }
}

fn check(label: &str, parts: fn(&[Parent; 3], &str, &str) -> Parts) {
    let dialogues = DialogueFixture::start(label).unwrap();
    let mut played = Vec::new();
    for (dropped, retransmits) in [(Dropped::First, 1), (Dropped::FirstTwo, 2)] {
        for lost in ["request", "response"] {
            let parents = [Parent::new(), Parent::new(), Parent::new()];
            let text = |role: &str| if role == lost { LOST } else { "kept" };
            let (server, client) = parts(&parents, text("request"), text("response"));
            let rule = DropRule::insert(dialogues.node(), LOST, dropped).unwrap();
            dialogues.play(&server, &client).unwrap();
            drop(rule);
            played.push((parents, lost, retransmits));
        }
    }
    let outcome = dialogues.finish().unwrap();
    outcome.report().assert_nothing_lost();
    for (parents, lost, retransmits) in &played {
        println!("{lost}, {retransmits} times");
        assert(&outcome.traces, parents, lost, *retransmits);
    }
    assert_eq!(outcome.traces.0.len(), 3 * played.len());
}

#[test]
fn http1_heads_that_are_lost_at_first() {
    if hopspan_lab::skip("http1_heads_that_are_lost_at_first") {
        return;
    }
    check("retransmit-h1", on_http1);
}

#[test]
fn http2_heads_that_are_lost_at_first() {
    if hopspan_lab::skip("http2_heads_that_are_lost_at_first") {
        return;
    }
    check("retransmit-h2", on_http2);
}
