//! The same exchange with and without spans for its hops: fewer spans keep all information.

use super::*;

fn names(spans: &[Span]) -> Vec<&str> {
    spans.iter().map(|span| &*span.name).collect()
}

#[test]
fn paths_have_their_hops_in_an_attribute() {
    let exchange = exchange(TRACE);
    let whole = make(&exchange);
    let spans = make_in(Detail::Path, &exchange, 0);
    assert_eq!(names(&spans), ["connect", "request", "response"]);
    for (key, expected) in [
        (
            "hopspan.hops",
            "client.stack 10, netfilter.prerouting 10, socket.queue 10",
        ),
        ("hopspan.longest_hop.name", "socket.queue"),
        ("hopspan.longest_hop.duration_ns", "10"),
        ("hopspan.detail.reason", ""),
    ] {
        assert_eq!(attribute(&spans[1], key), expected, "{key}");
    }
    for span in &spans {
        let same = named(&whole, &span.name);
        assert_eq!(same.span_id, span.span_id);
        assert_eq!(
            (same.start_unix_ns, same.end_unix_ns),
            (span.start_unix_ns, span.end_unix_ns)
        );
        let hops = attribute(span, "hopspan.hops");
        // As many as there are hop spans at full detail.
        let hop_spans = whole.iter().filter(|hop| hop.parent_id == span.span_id);
        assert_eq!(hops.split(", ").count(), hop_spans.count(), "{}", span.name);
        let mut attributes = span.attributes.clone();
        attributes.retain(|attribute| attribute.key != "hopspan.hops");
        assert_eq!(same.attributes, attributes, "{}", span.name);
    }
}

#[test]
fn failures_are_recorded_at_every_detail() {
    let mut lost = exchange(TRACE);
    lost.request = Leg {
        earlier: vec![journey(Message::Request, 1_150, End::Dropped)],
        ..Leg::new(journey(Message::Request, 1_200, End::Dropped))
    };
    (lost.response, lost.answered) = (None, None);
    for detail in [Detail::Path, Detail::Hop, Detail::Auto] {
        let spans = make_in(detail, &lost, 0);
        let span = named(&spans, "request");
        assert_eq!(attribute(span, "hopspan.drop.reason"), "NETFILTER_DROP");
        assert_eq!(span.error.as_deref(), Some("packet dropped"), "{detail}");
        assert_eq!(attribute(span, "hopspan.tcp.retransmits"), "1", "{detail}");
        let again = |event: &&Event| event.name == "tcp.retransmitted";
        assert_eq!(span.events.iter().filter(again).count(), 1, "{detail}");
        assert_eq!(
            attribute(span, "hopspan.incomplete"),
            "response",
            "{detail}"
        );
    }
}

#[test]
fn the_count_of_shed_exchanges_is_on_the_request() {
    for detail in [Detail::Path, Detail::Hop] {
        let spans = make_in(detail, &exchange(TRACE), 12);
        let marked = spans
            .iter()
            .filter(|span| attribute(span, "hopspan.shed") == "12");
        let marked: Vec<&str> = marked.map(|span| &*span.name).collect();
        assert_eq!(marked, ["request"]);
    }
}
