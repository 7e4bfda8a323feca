//! An exchange with what is known of its connection.
//!
//! In: an exchange and its sides. Out: its parties, translation and paths, looked up once for
//! everything that is made of them: its edge, its spans, its measures.

use std::cell::OnceCell;

use crate::{http::Exchange, identity::directory};

use super::{
    Context, Edge, Measured, Span, detail_choice::DetailChoice, exchange::spans_at_most,
    exchange_trace::ExchangeTrace, half, nat::Nat, parties::Parties, paths::Paths,
    span_builder::SpanBuilder,
};

/// An exchange with its parties and translation.
#[derive(Debug)]
pub struct NamedExchange<'a> {
    pub(super) exchange: &'a Exchange,
    pub(super) context: &'a Context<'a>,
    pub(super) sides: &'a [directory::PartyKey; 2],
    pub(super) nat: Option<Nat<'a>>,
    pub(super) parties: Parties<'a>,
    paths: OnceCell<Paths>,
}

impl<'a> NamedExchange<'a> {
    /// Looks up parties and translation; `sides` is
    /// [`SpanSource::sides`](super::SpanSource::sides).
    pub fn new(
        exchange: &'a Exchange,
        sides: &'a [directory::PartyKey; 2],
        context: &'a Context<'a>,
    ) -> Self {
        let journey = &exchange.request.journey;
        let nat = Nat::of(journey, context.rules);
        // A packet translated on another node arrives with the pod's address; its service is
        // unknown.
        let sent = (!journey.has_arrived()).then_some(journey.sent.destination);
        let asked = nat.as_ref().map(Nat::original).or(sent);
        Self {
            exchange,
            context,
            sides,
            parties: Parties::of(sides, asked, context.directory),
            nat,
            paths: OnceCell::new(),
        }
    }

    /// When the exchange ended, nanoseconds of `CLOCK_MONOTONIC`.
    pub fn ended_ns(&self) -> u64 {
        self.exchange.ended_ns()
    }

    /// The caller and the called service.
    pub fn edge(&self) -> Edge {
        let decision = self.nat.as_ref().and_then(Nat::decision);
        let decided = decision.map(|decision| &decision.service);
        self.parties.edge(self.sides, decided)
    }

    /// Builds the spans in a trace, parents first. `shed` is how many exchanges of this edge were shed
    /// since the last one with spans.
    pub fn spans(&self, trace: ExchangeTrace, shed: u64, detail: &mut DetailChoice) -> Vec<Span> {
        let exchange = self.exchange;
        let paths = self.paths();
        let hop_spans = detail.choose(exchange, paths, || self.edge());
        let mut builder = SpanBuilder {
            trace: trace.seed(),
            parent: trace.parent(),
            trace_state: exchange.asked.tracestate.as_ref(),
            seq: exchange.request_seq,
            context: self.context,
            nat: self.nat.as_ref(),
            refusal: None,
            parties: &self.parties,
            half: half::of(exchange),
            hop_spans,
            workload: None,
            spans: Vec::with_capacity(spans_at_most(exchange, hop_spans)),
        };
        builder.exchange(exchange, paths, self.sides[1].socket, shed);
        let mut spans = builder.spans;
        if let (Some(root), Some(link)) = (spans.first_mut(), trace.link()) {
            root.links.push(link);
        }
        spans
    }

    /// The exchange for the metrics, with the spans that [`Self::spans`] made if they are exported.
    pub fn measured<'s>(&'s self, spans: Option<&'s [Span]>) -> Measured<'s> {
        Measured {
            exported: spans.map(|spans| (spans, self.paths())),
            ..Measured::new(self.exchange, self.sides, self.context)
        }
    }

    /// The paths, which are built once.
    pub(super) fn paths(&self) -> &Paths {
        let build = || Paths::of(self.exchange, self.context);
        self.paths.get_or_init(build)
    }
}
