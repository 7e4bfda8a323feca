//! The spans of a trace on one clock. In: spans as they were sent. Out: the same spans, those of
//! each server's agent moved to the client's clock. The client's clock is the reference.

use super::clock::skew;
use super::exchange::Exchange;
use super::index::Index;
use crate::span::{DataPlane, Layer, Skew, Span};

/// The spans in their order, and by how many nanoseconds each was moved.
pub(super) struct Aligned {
    pub(super) spans: Vec<Span>,
    pub(super) moved_ns: Vec<i128>,
}

/// Moves the spans of agents whose clocks contradict the client's, and notes the skew on the
/// client's half of the exchange.
pub(super) fn align(spans: &[Span]) -> Aligned {
    let mut aligned = Aligned {
        spans: spans.to_vec(),
        moved_ns: vec![0; spans.len()],
    };
    let index = Index::of(spans);
    for exchange in Exchange::all(&index) {
        if let Some(skew) = skew(&exchange, &index) {
            aligned.take_out(skew, &exchange);
        }
    }
    aligned
}

impl Aligned {
    fn take_out(&mut self, skew: Skew, exchange: &Exchange) {
        for &at in &exchange.of_server {
            self.spans[at].shift(-skew.taken_ns);
            self.moved_ns[at] -= skew.taken_ns;
        }
        if let (Some(client), Some(_)) = (exchange.client_half, exchange.server_half) {
            note(skew, &mut self.spans[client]);
        }
    }
}

fn note(skew: Skew, exchange: &mut Span) {
    if let Layer::DataPlane(DataPlane { facts, .. }) = &mut exchange.layer {
        facts.get_or_insert_default().skew = Some(skew);
    }
}
