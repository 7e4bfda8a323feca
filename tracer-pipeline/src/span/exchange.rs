//! The spans of one exchange.
//!
//! In: an exchange in its trace, and its sides. Out: the exchange span, with request, response and
//! translation; its paths as spans below it or as its attributes, as the detail requires.

use std::{borrow::Cow, net::SocketAddr};

use opentelemetry_semantic_conventions::attribute as semconv;
use tracer_semconv::{Role, error, event, incomplete};

use crate::{
    http::{
        Exchange, Leg, Reset, ResponseEnd,
        head::Method,
        trace_context::{SpanId, TraceContext},
    },
    identity::directory,
    kube_proxy::Decision,
};

use super::{
    Clock, Context, Detail, Edge, Event, Span,
    attribute::{Attribute, key},
    half, http_attributes,
    id::derive,
    nat::Nat,
    parties::Parties,
    paths::Paths,
    span_builder::{SpanBase, SpanBuilder, has_dropped, missing},
    tcp_events,
};

/// Number of attributes of an exchange between pods through a service.
const EXCHANGE_ATTRIBUTES: usize = 32;
/// Role of the span that covers the whole exchange.
const EXCHANGE: &str = Role::Exchange.as_str();

/// The id of an exchange's span.
pub(super) fn exchange_id(trace: &TraceContext, request_seq: u32) -> SpanId {
    derive(trace, request_seq, EXCHANGE)
}

/// An exchange in its trace, with its parties and translation, before its spans are built.
#[derive(Debug)]
pub struct Traced<'a> {
    exchange: &'a Exchange,
    trace: TraceContext,
    context: &'a Context<'a>,
    sides: &'a [directory::PartyKey; 2],
    nat: Option<Nat<'a>>,
    parties: Parties<'a>,
}

impl<'a> Traced<'a> {
    /// Looks up parties and translation; `sides` is
    /// [`SpanSource::sides`](super::SpanSource::sides).
    pub fn new(
        exchange: &'a Exchange,
        sides: &'a [directory::PartyKey; 2],
        trace: TraceContext,
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
            trace,
            context,
            sides,
            parties: Parties::of(sides, asked, context.directory),
            nat,
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

    /// Builds the spans, parents first. `shed` is how many exchanges of this edge were shed since
    /// the last one with spans.
    pub fn spans(&self, shed: u64) -> Vec<Span> {
        let exchange = self.exchange;
        let mut builder = SpanBuilder {
            trace: self.trace,
            trace_state: exchange.asked.tracestate.as_ref(),
            seq: exchange.request_seq,
            context: self.context,
            nat: self.nat.as_ref(),
            refusal: None,
            parties: &self.parties,
            half: half::of(exchange),
            spans: Vec::with_capacity(spans_at_most(exchange, self.context.detail)),
        };
        builder.exchange(exchange, self.sides[1].socket, shed);
        builder.spans
    }
}

/// Upper bound on the number of spans: the exchange, its paths, and a hop between stamps.
fn spans_at_most(exchange: &Exchange, detail: Detail) -> usize {
    match detail {
        Detail::Exchange => 1,
        Detail::Path => 4,
        Detail::Hop => {
            let spans = |leg: &Leg| leg.journey.stamps.len() + 2;
            exchange.legs().map(spans).sum::<usize>() + 1
        }
    }
}

impl SpanBuilder<'_> {
    fn exchange(&mut self, exchange: &Exchange, server: SocketAddr, shed: u64) {
        let paths = Paths::of(exchange, self.context);
        let mut attributes = self.exchange_attributes(exchange, server);
        if shed > 0 {
            let shed = i64::try_from(shed).unwrap_or(i64::MAX);
            attributes.push(Attribute::int(key::SHED, shed));
        }
        let mut events = tcp_events::zero_windows(exchange, self.context.clock);
        events.extend(first_byte(exchange, self.context.clock));
        let mut error = http_attributes::error_type(exchange);
        let mut incomplete = incomplete(exchange);
        if self.context.detail == Detail::Exchange {
            let legs: Vec<&Leg> = exchange.legs().collect();
            self.leg_attributes(&legs, &mut attributes);
            paths.attributes(&mut attributes);
            events.extend(self.packet_events(&legs));
            events.sort_by_key(|event| event.at_unix_ns);
            error = error.or(has_dropped(&legs).then_some(error::PACKET_DROPPED.into()));
            incomplete = incomplete.or(missing(&legs));
        }
        attributes.extend(incomplete.map(|what| Attribute::text(key::INCOMPLETE, what)));
        let base = SpanBase {
            span_id: self.id(EXCHANGE),
            name: self.exchange_name(exchange),
            start_ns: paths.start_ns(),
            end_ns: paths.end_ns().max(exchange.ended_ns()),
        };
        let id = self.push(self.trace.parent_id, base, attributes);
        if let Some(span) = self.spans.last_mut() {
            span.error = error;
            span.events = events;
        }
        if self.context.detail != Detail::Exchange {
            self.legs(id, exchange, &paths);
        }
    }

    /// Adds the spans of its paths.
    fn legs(&mut self, id: SpanId, exchange: &Exchange, paths: &Paths) {
        if let (Some(connect), Some(path)) = (&exchange.connect, &paths.connect) {
            let legs: Vec<&Leg> = connect.legs().collect();
            self.leg(id, Role::Connect.as_str(), &legs, path);
        }
        self.leg(
            id,
            Role::Request.as_str(),
            &[&exchange.request],
            &paths.request,
        );
        if let (Some(first), Some(path)) = (&exchange.response, &paths.response) {
            let legs: Vec<&Leg> = [first].into_iter().chain(&exchange.response_last).collect();
            self.leg(id, Role::Response.as_str(), &legs, path);
        }
    }

    /// A name of low cardinality: service and method of a gRPC call, else HTTP method and service.
    fn exchange_name(&self, exchange: &Exchange) -> Cow<'static, str> {
        if let Some(rpc) = &exchange.asked.rpc {
            return format!("{}/{}", rpc.service, rpc.method).into();
        }
        let method = exchange
            .asked
            .method
            .as_ref()
            .map_or("HTTP", Method::as_str);
        let decided = self.nat.and_then(Nat::decision).map(short_service);
        match decided.or(self.parties.service_name()) {
            Some(service) => format!("{method} {service}").into(),
            None => method.into(),
        }
    }

    fn exchange_attributes(&self, exchange: &Exchange, server: SocketAddr) -> Vec<Attribute> {
        let source = exchange.request.journey.client();
        let mut attributes = self.attributes(EXCHANGE);
        attributes.reserve(EXCHANGE_ATTRIBUTES);
        attributes.extend([
            Attribute::text(semconv::NETWORK_TRANSPORT, "tcp"),
            Attribute::text(semconv::NETWORK_PROTOCOL_NAME, "http"),
            Attribute::text(semconv::SOURCE_ADDRESS, source.ip().to_string()),
            Attribute::int(semconv::SOURCE_PORT, source.port()),
            Attribute::text(semconv::DESTINATION_ADDRESS, server.ip().to_string()),
            Attribute::int(semconv::DESTINATION_PORT, server.port()),
        ]);
        http_attributes::asked(&exchange.asked, &mut attributes);
        if let Some(answered) = &exchange.answered {
            attributes.extend(http_attributes::answered(answered));
        }
        if let Some(nat) = self.nat {
            nat.destination_attributes(&mut attributes);
            nat.source_attributes(&mut attributes);
        }
        self.party_attributes(&mut attributes);
        if let Some(error) = http_attributes::error_type(exchange) {
            attributes.push(Attribute::text(semconv::ERROR_TYPE, error));
        }
        let reset_by = exchange.reset.map(|reset| reset.by);
        let closed_by = reset_by.or(exchange.ending.and_then(|ending| ending.by));
        attributes.extend(
            closed_by.map(|side| Attribute::text(key::CLOSED_BY, http_attributes::side(side))),
        );
        attributes
    }
}

/// When the response was there, if it ended later.
fn first_byte(exchange: &Exchange, clock: &Clock) -> Option<Event> {
    let first_ns = exchange.response.as_ref()?.end_ns();
    (exchange.ended_ns() > first_ns).then(|| Event {
        name: event::RESPONSE_FIRST_BYTE,
        at_unix_ns: clock.unix_ns(first_ns),
        attributes: Vec::new(),
    })
}

/// The parts of an exchange that were not seen, or could not be parsed.
fn incomplete(exchange: &Exchange) -> Option<&'static str> {
    let request = exchange
        .asked
        .is_incomplete
        .then_some(incomplete::REQUEST_HEAD);
    // A stream or connection that ended early has no response.
    let is_reset = exchange.reset.is_some_and(Reset::is_error);
    let has_failed = is_reset || exchange.ending.is_some();
    let is_open = matches!(
        exchange.response_end,
        ResponseEnd::Unseen | ResponseEnd::WithConnection | ResponseEnd::After(_)
    );
    let status = exchange.answered.map(|answered| answered.status);
    let response = match (&exchange.response, status) {
        (None, _) if has_failed => None,
        (None, _) => Some(incomplete::RESPONSE),
        (Some(_), None | Some(None)) => Some(incomplete::RESPONSE_HEAD),
        _ if is_open && !has_failed => Some(incomplete::RESPONSE_END),
        _ => None,
    };
    match (request, response) {
        (Some(_), Some(incomplete::RESPONSE)) => Some(incomplete::REQUEST_HEAD_AND_RESPONSE),
        (Some(_), Some(incomplete::RESPONSE_END)) => {
            Some(incomplete::REQUEST_HEAD_AND_RESPONSE_END)
        }
        (Some(_), Some(_)) => Some(incomplete::REQUEST_HEAD_AND_RESPONSE_HEAD),
        (request, response) => request.or(response),
    }
}

/// `customer` of `hotrod/customer:http`.
fn short_service(decision: &Decision) -> &str {
    let name = decision
        .service
        .split_once('/')
        .map_or(&*decision.service, |(_, name)| name);
    name.split_once(':').map_or(name, |(name, _)| name)
}

#[cfg(test)]
pub(super) mod tests;
