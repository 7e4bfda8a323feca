//! The same exchange at each detail: fewer spans keep all information.

use super::*;

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| &*span.name).collect()
}

/// The hops of a span that are its events: name, start and length.
fn hop_events(span: &Span) -> Vec<(&str, u64, String)> {
    let hops = span.events.iter().filter(|event| has(event, "hopspan.hop"));
    hops.map(|event| {
        let length = value(event, "hopspan.duration_ns");
        (event.name, event.at_unix_ns - 1_000_000, length)
    })
    .collect()
}

fn has(event: &Event, key: &str) -> bool {
    event.attributes.iter().any(|found| found.key == key)
}

fn value(event: &Event, key: &str) -> String {
    let found = event.attributes.iter().find(|found| found.key == key);
    match found.map(|found| &found.value) {
        Some(Value::Int(number)) => number.to_string(),
        Some(Value::Text(text)) => text.to_string(),
        _ => String::new(),
    }
}

#[test]
fn paths_have_their_hops_as_events() {
    let exchange = exchange(TRACE);
    let whole = make(&exchange);
    let spans = make_in(Detail::Path, &exchange, 0);
    assert_eq!(
        names(&spans),
        ["GET web-manual", "connect", "request", "response"]
    );
    let expected = [
        ("client.stack", 1_200, "10".to_owned()),
        ("netfilter.prerouting", 1_210, "10".to_owned()),
        ("socket.queue", 1_220, "10".to_owned()),
    ];
    assert_eq!(hop_events(&spans[2]), expected);
    for span in &spans {
        let same = whole.iter().find(|whole| whole.span_id == span.span_id);
        let same = same.expect("the same ids");
        assert_eq!(
            (same.start_unix_ns, same.end_unix_ns),
            (span.start_unix_ns, span.end_unix_ns)
        );
        if span.name != "connect" {
            assert_eq!(same.attributes, span.attributes, "{}", span.name);
        }
        // As many hop events as there are hop spans at full detail.
        let hops = whole
            .iter()
            .filter(|hop| hop.parent_id == span.span_id && attribute(hop, "hopspan.role") == "hop");
        assert_eq!(hop_events(span).len(), hops.count(), "{}", span.name);
    }
}

#[test]
fn an_exchange_without_path_spans_has_all_in_attributes() {
    let spans = make_in(Detail::Exchange, &exchange(TRACE), 0);
    let [span] = &spans[..] else {
        panic!("{:?}", names(&spans));
    };
    for (key, expected) in [
        ("hopspan.connect.duration_ns", "130"),
        ("hopspan.request.duration_ns", "30"),
        ("hopspan.server.duration_ns", "70"),
        ("hopspan.response.duration_ns", "30"),
        (
            "hopspan.request.hops",
            "client.stack 10, netfilter.prerouting 10, socket.queue 10",
        ),
        ("hopspan.kube_proxy.service", "default/web-manual:http"),
        ("hopspan.nat.translated", "10.201.1.12:8080"),
        ("hopspan.incomplete", ""),
        ("hopspan.shed", ""),
    ] {
        assert_eq!(attribute(span, key), expected, "{key}");
    }
    assert!(!attribute(span, "hopspan.connect.hops").is_empty());
    assert!(!attribute(span, "hopspan.response.hops").is_empty());
    assert_eq!(span.start_unix_ns, make(&exchange(TRACE))[0].start_unix_ns);
}

#[test]
fn failures_are_recorded_at_every_detail() {
    let mut lost = exchange(TRACE);
    lost.request = Leg {
        earlier: vec![journey(Message::Request, 1_150, End::Dropped)],
        ..Leg::new(journey(Message::Request, 1_200, End::Dropped))
    };
    (lost.response, lost.answered) = (None, None);
    for detail in [Detail::Exchange, Detail::Path, Detail::Hop] {
        let spans = make_in(detail, &lost, 0);
        let span = spans
            .iter()
            .find(|span| attribute(span, "hopspan.drop.reason") == "NETFILTER_DROP")
            .unwrap_or_else(|| panic!("{detail}: {spans:?}"));
        assert_eq!(span.error.as_deref(), Some("packet dropped"), "{detail}");
        assert_eq!(attribute(span, "hopspan.tcp.retransmits"), "1", "{detail}");
        let again = |event: &&Event| event.name == "tcp.retransmitted";
        assert_eq!(span.events.iter().filter(again).count(), 1, "{detail}");
        let incomplete = attribute(&spans[0], "hopspan.incomplete");
        assert_eq!(incomplete, "response", "{detail}");
    }
}

#[test]
fn the_count_of_shed_exchanges_is_on_the_exchange_span() {
    for detail in [Detail::Exchange, Detail::Path, Detail::Hop] {
        let spans = make_in(detail, &exchange(TRACE), 12);
        let marks: Vec<String> = spans
            .iter()
            .map(|span| attribute(span, "hopspan.shed"))
            .collect();
        assert_eq!(marks[0], "12");
        assert!(marks[1..].iter().all(String::is_empty));
    }
}
