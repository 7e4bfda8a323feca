//! Exchanges that failed, or that were not seen completely.

use super::*;

#[test]
fn a_dropped_request() {
    let exchange = Exchange {
        connect: None,
        request: Leg::new(journey(Message::Request, 1_200, End::Dropped)),
        response: None,
        answered: None,
        ..exchange(TRACE)
    };
    let spans = make(&exchange);
    let request = named(&spans, "request");
    assert_eq!(request.error.as_deref(), Some("packet dropped"));
    assert_eq!(attribute(request, "hopspan.drop.reason"), "NETFILTER_DROP");
    assert_eq!(
        attribute(request, "hopspan.drop.hop"),
        "netfilter.prerouting"
    );
}

#[test]
fn a_retransmission_is_time_in_the_sender_s_stack() {
    let mut exchange = exchange(TRACE);
    exchange.request.earlier = vec![journey(Message::Request, 1_150, End::Dropped)];
    check(
        &exchange,
        &[
            "connect 1000..1130",
            "request 1150..1230",
            "response 1300..1330",
        ],
    );
    let spans = make(&exchange);
    let index = spans
        .iter()
        .position(|span| span.name == "request")
        .unwrap();
    assert_eq!(attribute(&spans[index], "hopspan.tcp.retransmits"), "1");
    // The first packet was dropped; the event is that of the second, which arrived.
    assert_eq!(
        attribute(&spans[index], "hopspan.drop.reason"),
        "NETFILTER_DROP"
    );
    assert_eq!(
        attribute(&spans[index], "hopspan.drop.hop"),
        "netfilter.prerouting"
    );
    assert_eq!(spans[index].error, None);
    let [event] = &spans[index].events[..] else {
        panic!("{:?}", spans[index].events);
    };
    assert_eq!(event.at_unix_ns, 1_001_200);
    assert_eq!(spans[index + 1].name, "client.stack");
    assert_eq!(spans[index + 1].start_unix_ns, 1_001_150);
    assert_eq!(spans[index + 1].end_unix_ns, 1_001_210);
}

#[test]
fn unseen_parts_of_a_path_are_marked_incomplete() {
    let mut exchange = exchange(TRACE);
    exchange.request.read_ns = None;
    exchange.response = exchange.response.map(|response| Leg {
        journey: Journey {
            stamps_cut: true,
            ..response.journey
        },
        ..response
    });
    let incomplete: Vec<String> = make(&exchange)
        .iter()
        .map(|span| attribute(span, "hopspan.incomplete"))
        .filter(|what| !what.is_empty())
        .collect();
    assert_eq!(incomplete, ["socket.queue", "last hops"]);
}

#[test]
fn a_connection_that_ends_before_the_answer_is_an_error() {
    let mut exchange = exchange(TRACE);
    exchange.response = None;
    exchange.answered = None;
    for (cause, by, error_type, closed_by) in [
        (
            Cause::Closed,
            Some(Side::Server),
            "connection_closed",
            "server",
        ),
        (
            Cause::Reset,
            Some(Side::Client),
            "connection_reset",
            "client",
        ),
        (Cause::TimedOut, None, "timeout", ""),
        (Cause::Unreachable, None, "host_unreachable", ""),
    ] {
        let at_ns = 9_000;
        exchange.ending = Some(Ending {
            cause,
            by,
            at_ns,
            answered_until: None,
        });
        let spans = make(&exchange);
        let request = last(&spans);
        assert_eq!(request.name, "request");
        assert_eq!(request.error.as_deref(), Some(error_type));
        for (key, expected) in [
            ("error.type", error_type),
            ("hopspan.closed_by", closed_by),
            ("hopspan.incomplete", ""),
            // From the SYN on.
            ("hopspan.exchange.duration_ns", "8000"),
        ] {
            assert_eq!(attribute(request, key), expected, "{key}");
        }
        assert_eq!(request.end_unix_ns, 1_001_230, "read, whatever came then");
    }
}

/// The error, the side, the missing part, and the end of the exchange in nanoseconds.
#[test]
fn a_reset_stream_ends_when_it_is_reset() {
    type Change = fn(&mut Exchange);
    let unanswered: Change = |exchange| {
        exchange.response = None;
        exchange.answered = None;
    };
    let open: Change = |exchange| exchange.response_end = ResponseEnd::Unseen;
    for (change, code, by, error, incomplete) in [
        (unanswered, 8, Side::Client, "CANCEL", ""),
        (open, 2, Side::Server, "INTERNAL_ERROR", ""),
        (unanswered, 0, Side::Server, "", "response"),
        (open, 0, Side::Server, "", "end of the response"),
    ] {
        let expected = [error, http_attributes::side(by), incomplete];
        let mut exchange = exchange(TRACE);
        change(&mut exchange);
        let at_ns = 9_000;
        exchange.reset = Some(Reset { code, by, at_ns });
        let spans = make(&exchange);
        let span = last(&spans);
        let keys = ["error.type", "hopspan.closed_by", "hopspan.incomplete"];
        assert_eq!(keys.map(|key| attribute(span, key)), expected);
        assert_eq!(span.error.as_deref().unwrap_or_default(), expected[0]);
        assert_eq!(attribute(span, "hopspan.exchange.duration_ns"), "8000");
    }
}

#[test]
fn a_response_lasts_until_its_end() {
    let mut exchange = exchange(TRACE);
    for (response_end, expected_ns, incomplete) in [
        (ResponseEnd::At(1_310), 1_330, ""),
        (ResponseEnd::At(9_000), 9_000, ""),
        (ResponseEnd::After(9_000), 9_000, "end of the response"),
    ] {
        exchange.response_end = response_end;
        let spans = make(&exchange);
        let span = named(&spans, "response");
        assert_eq!(span.end_unix_ns, 1_000_000 + expected_ns);
        assert_eq!(attribute(span, "hopspan.incomplete"), incomplete);
        assert_eq!(span.error, None);
        let body = spans.iter().filter(|span| span.name == "body");
        let body: Vec<(u64, u64)> = body
            .map(|body| (body.start_unix_ns, body.end_unix_ns))
            .collect();
        let expected = (expected_ns > 1_330).then_some((1_001_330, span.end_unix_ns));
        assert_eq!(body, Vec::from_iter(expected));
    }
}

#[test]
fn unseen_heads_are_marked_incomplete() {
    let check = |change: fn(&mut Exchange), of_request: &str, of_response: &str| {
        let mut exchange = exchange(TRACE);
        change(&mut exchange);
        let spans = make(&exchange);
        let request = attribute(named(&spans, "request"), "hopspan.incomplete");
        let response = spans.iter().find(|span| span.name == "response");
        let response = response.map_or(String::new(), |span| attribute(span, "hopspan.incomplete"));
        assert_eq!([&*request, &*response], [of_request, of_response]);
    };
    check(|_| {}, "", "");
    check(|exchange| exchange.response = None, "response", "");
    check(|exchange| exchange.answered = None, "", "response head");
    check(
        |exchange| {
            exchange.asked.is_incomplete = true;
            exchange.answered = Some(Answered::default());
        },
        "request head",
        "response head",
    );
    check(
        |exchange| {
            exchange.asked.is_incomplete = true;
            exchange.response = None;
        },
        "request head, response",
        "",
    );
    check(
        |exchange| exchange.response_end = ResponseEnd::Unseen,
        "",
        "end of the response",
    );
}

#[test]
fn a_reused_connection_and_a_missing_response() {
    let exchange = Exchange {
        connect: None,
        response: None,
        answered: None,
        ..exchange(TRACE)
    };
    check(&exchange, &["request 1200..1230"]);
    assert_eq!(
        attribute(named(&make(&exchange), "request"), "hopspan.incomplete"),
        "response"
    );
}
