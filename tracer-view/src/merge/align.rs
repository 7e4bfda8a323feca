//! The spans of a trace on one clock. In: spans as they were sent, and the halves of exchanges among
//! them. Out: the same spans, those of each server's agent moved to the client's clock. The client's
//! clock is the reference.

use std::collections::HashMap;

use tracer_semconv::{Role, Side};

use super::clock::skew;
use super::halves::ExchangeHalves;
use super::index::Index;
use crate::id::SpanId;
use crate::span::{DataPlane, Layer, Sender, Skew, Span};

/// Moves the spans of agents whose clocks contradict the client's, and notes the skew on the
/// client's half of the request. Returns by how many nanoseconds each span was moved.
pub(super) fn align(spans: &mut [Span], exchanges: &[ExchangeHalves]) -> Vec<i128> {
    let mut moved_ns = vec![0; spans.len()];
    let mut noted = Vec::new();
    let index = Index::of(spans);
    let mut failed = failed_connects(spans);
    for exchange in exchanges {
        let Some(skew) = skew(exchange, &index) else {
            continue;
        };
        let mut of_server: Vec<usize> = exchange.of_side(Side::Server).collect();
        let beside = of_server.first().and_then(|&at| place(&index.spans[at]));
        of_server.extend(
            beside
                .and_then(|place| failed.remove(&place))
                .unwrap_or_default(),
        );
        for at in of_server {
            let all = std::iter::once(&at).chain(index.hops(at));
            all.for_each(|&at| moved_ns[at] = -skew.taken_ns);
        }
        if let Some([client, _]) = exchange.halves(Role::Request).both() {
            noted.push((client, skew));
        }
    }
    for (span, by_ns) in spans.iter_mut().zip(&moved_ns) {
        span.shift(*by_ns);
    }
    for (request, skew) in noted {
        note(skew, &mut spans[request]);
    }
    moved_ns
}

/// A parent, and the agent that sent a span below it.
type Place = (SpanId, Sender);

fn place(span: &Span) -> Option<Place> {
    Some((span.parent?, span.resource.sender.clone()))
}

/// The connects that failed while a request was being served. They stand beside that request's
/// spans and were measured by the clock of its server's node.
fn failed_connects(spans: &[Span]) -> HashMap<Place, Vec<usize>> {
    let mut failed: HashMap<Place, Vec<usize>> = HashMap::new();
    for (at, span) in spans.iter().enumerate() {
        let is_failed = span.role() == Some(Role::Connect) && span.exchange().is_none();
        if let Some(place) = place(span).filter(|_| is_failed) {
            failed.entry(place).or_default().push(at);
        }
    }
    failed
}

fn note(skew: Skew, request: &mut Span) {
    if let Layer::DataPlane(DataPlane { facts, .. }) = &mut request.layer {
        facts.get_or_insert_default().skew = Some(skew);
    }
}
