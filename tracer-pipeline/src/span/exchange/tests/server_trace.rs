//! Requests without a trace context whose response names the server's trace.

use super::{
    halves::{client_half, make_half, server_half},
    *,
};
use crate::http::{
    head::ResponseHead,
    trace_context::{Extraction, TraceId},
};

const RESPONSE: &str = "traceresponse: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\r\n";
const NOT_SAMPLED: &str =
    "traceresponse: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n";
const TRACE_ID: TraceId = TraceId(0x0af7651916cd43dd8448eb211c80319c_u128.to_be_bytes());
const SERVER_SPAN: SpanId = SpanId(0xb7ad6b7169203331_u64.to_be_bytes());

/// `exchange` with a response that has these header lines.
fn answered(mut exchange: Exchange, headers: &str) -> Exchange {
    let response = format!("HTTP/1.1 200 OK\r\nContent-Length: 0\r\n{headers}\r\n");
    let head = ResponseHead::parse(response.as_bytes()).unwrap();
    exchange.answered = Some(Answered::from(&head));
    exchange
}

fn without_context(mut exchange: Exchange) -> Exchange {
    exchange.asked.trace = Extraction::None;
    answered(exchange, RESPONSE)
}

#[test]
fn the_spans_stand_below_a_root_in_the_trace_of_the_server() {
    let spans = make(&answered(exchange(""), RESPONSE));
    let [root, paths @ ..] = &spans[..] else {
        panic!("no spans");
    };
    assert_eq!(attribute(root, "hopspan.role"), "exchange");
    assert_eq!(root.parent_id, SpanId([0; 8]));
    let link = crate::span::Link {
        trace_id: TRACE_ID,
        trace_state: None,
        span_id: SERVER_SPAN,
    };
    assert_eq!(root.links, [link]);
    assert!(spans.iter().all(|span| span.trace_id == TRACE_ID));
    let roles = ["connect", "request", "response"];
    for role in roles {
        let is_role = |span: &&Span| attribute(span, "hopspan.role") == role;
        let path = paths.iter().find(is_role).unwrap();
        assert_eq!(path.parent_id, root.span_id, "{role}");
        assert!(path.links.is_empty());
    }
}

#[test]
fn a_context_or_a_decision_in_the_request_takes_precedence() {
    let traced = exchange(TRACE);
    assert_eq!(
        make(&answered(traced.clone(), RESPONSE)),
        make(&answered(traced, ""))
    );
    for headers in [
        "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00\r\n",
        "traceparent: x\r\n",
        "b3: 0\r\n",
    ] {
        assert!(make(&answered(exchange(headers), RESPONSE)).is_empty());
    }
    // Part of the request's head was not seen: there may have been a context.
    let mut cut = exchange("");
    cut.asked.trace = Extraction::Unknown;
    assert!(make(&answered(cut, RESPONSE)).is_empty());
}

#[test]
fn without_a_sampled_trace_there_are_no_spans() {
    let twice = format!("{RESPONSE}{RESPONSE}");
    for headers in ["", NOT_SAMPLED, "traceresponse: x\r\n", &twice] {
        assert!(
            make(&answered(exchange(""), headers)).is_empty(),
            "{headers}"
        );
    }
    let mut unanswered = exchange("");
    unanswered.answered = None;
    assert!(make(&unanswered).is_empty());
}

#[test]
fn both_nodes_join_the_same_trace_and_no_id_occurs_twice() {
    let [client, server] = [client_half(), server_half()].map(without_context);
    let mut spans = make_half("one", &client);
    spans.extend(make_half("two", &server));
    // The same server names the same span twice, for the request behind this one.
    let mut next = client;
    next.request_seq += 100;
    spans.extend(make_half("one", &next));
    assert!(spans.iter().all(|span| span.trace_id == TRACE_ID));
    let mut ids: BTreeSet<SpanId> = spans.iter().map(|span| span.span_id).collect();
    assert!(ids.insert(SERVER_SPAN));
    assert_eq!(ids.len(), spans.len() + 1);
    let roots = spans
        .iter()
        .filter(|span| attribute(span, "hopspan.role") == "exchange");
    let exchanges: Vec<String> = roots
        .map(|root| attribute(root, "hopspan.exchange.id"))
        .collect();
    assert_eq!(exchanges[0], exchanges[1], "the halves of one exchange");
    assert_ne!(exchanges[0], exchanges[2]);
}
