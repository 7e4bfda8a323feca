//! The spans of one exchange.
//!
//! In: an exchange, its paths, and a builder with its trace and parties. Out: the spans of its paths,
//! below the client's own span and beside the server's. Where the client has none, a span over the
//! exchange is above them.

use std::{borrow::Cow, net::SocketAddr};

use opentelemetry_semantic_conventions::attribute as semconv;
use tracer_semconv::{Role, event, incomplete};

use crate::{
    http::{Exchange, Leg, ResponseEnd, UrlPaths, head::Method, trace_context::SpanId},
    kube_proxy::Decision,
};

use super::{
    Event,
    attribute::{Attribute, key},
    detail::HopSpans,
    half, http_attributes,
    id::NO_SPAN,
    nat::Nat,
    paths::Paths,
    span_builder::{PathFacts, SpanBase, SpanBuilder, both},
    tcp_events,
};

/// Upper bound on the number of spans: a root, the paths, and a hop between stamps.
pub(super) fn spans_at_most(exchange: &Exchange, hop_spans: HopSpans) -> usize {
    if !hop_spans.are_made() {
        return 4;
    }
    let spans = |leg: &Leg| leg.journey.stamps.len() + 2;
    exchange.legs().map(spans).sum::<usize>() + 1
}

impl SpanBuilder<'_> {
    /// Adds the spans of an exchange, parents first; `server` is the address of its server.
    pub(super) fn exchange(
        &mut self,
        exchange: &Exchange,
        paths: &Paths,
        server: SocketAddr,
        shed: u64,
    ) {
        let connection = self.of_connection(exchange, server);
        let message = self.of_messages(exchange, &connection);
        let parent = if self.parent == NO_SPAN {
            self.root(exchange, paths, message.clone())
        } else {
            self.parent
        };
        if let (Some(connect), Some(path)) = (&exchange.connect, &paths.connect) {
            let facts = PathFacts {
                attributes: connection,
                ..PathFacts::default()
            };
            let legs: Vec<&Leg> = connect.legs().collect();
            self.path(parent, Role::Connect, &legs, path, facts);
        }
        let mut request = self.request(exchange, message.clone());
        if shed > 0 {
            let shed = i64::try_from(shed).unwrap_or(i64::MAX);
            request.attributes.push(Attribute::int(key::SHED, shed));
        }
        let legs = [&exchange.request];
        self.path(parent, Role::Request, &legs, &paths.request, request);
        if let (Some(first), Some(path)) = (&exchange.response, &paths.response) {
            let facts = self.response(exchange, first, message);
            let legs: Vec<&Leg> = [first].into_iter().chain(&exchange.response_last).collect();
            self.path(parent, Role::Response, &legs, path, facts);
        }
    }

    /// Adds the span that covers the exchange, where no span of the application does.
    fn root(&mut self, exchange: &Exchange, paths: &Paths, facts: Vec<Attribute>) -> SpanId {
        self.name_service(Role::Exchange);
        let mut attributes = self.attributes(Role::Exchange);
        attributes.extend(facts);
        let error = http_attributes::error_type(exchange);
        attributes.extend(ending_attributes(exchange, error.clone()));
        let base = SpanBase {
            span_id: self.id(half::part(Role::Exchange, self.context.node, self.half)),
            name: self.exchange_name(exchange),
            start_ns: paths.start_ns(),
            end_ns: exchange.ended_ns(),
        };
        let id = self.push(NO_SPAN, base, attributes);
        if let Some(span) = self.spans.last_mut() {
            span.error = error;
        }
        id
    }

    /// What the request's span has. Where there is no response, that includes how the exchange
    /// ended.
    fn request(&self, exchange: &Exchange, attributes: Vec<Attribute>) -> PathFacts {
        let clock = self.context.clock;
        let server = tracer_semconv::Side::Server;
        let head = exchange.asked.is_incomplete;
        let mut facts = PathFacts {
            attributes,
            events: tcp_events::zero_windows(&exchange.request, server, clock).collect(),
            incomplete: head.then_some(incomplete::REQUEST_HEAD.into()),
            error: None,
        };
        if exchange.response.is_none() {
            facts.end(exchange);
            // What a stream or connection that failed did not carry is not missing.
            let unseen = (!exchange.has_failed()).then_some(incomplete::RESPONSE);
            facts.incomplete = both(facts.incomplete, unseen);
        }
        facts
    }

    /// What the response's span has; `first` is its first packet.
    fn response(&self, exchange: &Exchange, first: &Leg, attributes: Vec<Attribute>) -> PathFacts {
        let clock = self.context.clock;
        let client = tracer_semconv::Side::Client;
        let mut facts = PathFacts {
            attributes,
            events: tcp_events::zero_windows(first, client, clock).collect(),
            incomplete: unseen_of_response(exchange).map(Cow::Borrowed),
            error: None,
        };
        facts.end(exchange);
        // When the response was there, if it ended later.
        let first_ns = first.end_ns();
        facts
            .events
            .extend((exchange.ended_ns() > first_ns).then(|| Event {
                name: event::RESPONSE_FIRST_BYTE,
                at_unix_ns: clock.unix_ns(first_ns),
                attributes: Vec::new(),
            }));
        facts
    }

    /// A name of low cardinality: service and method of a gRPC call, else HTTP method and template
    /// of the path. Where the path is unknown or not exported, HTTP method and service.
    fn exchange_name(&self, exchange: &Exchange) -> Cow<'static, str> {
        let has_path = self.context.url_paths != UrlPaths::Off;
        if let Some(rpc) = exchange.asked.rpc.as_ref().filter(|_| has_path) {
            return format!("{}/{}", rpc.service, rpc.method).into();
        }
        let method = exchange
            .asked
            .method
            .as_ref()
            .map_or("HTTP", Method::as_str);
        if let Some(template) = http_attributes::template(&exchange.asked).filter(|_| has_path) {
            return format!("{method} {template}").into();
        }
        let decided = self.nat.and_then(Nat::decision).map(short_service);
        match decided.or(self.parties.service_name()) {
            Some(service) => format!("{method} {service}").into(),
            None => method.into(),
        }
    }

    /// What is known when the connection opens.
    fn of_connection(&self, exchange: &Exchange, server: SocketAddr) -> Vec<Attribute> {
        let client = exchange.request.journey.client();
        let mut attributes = Vec::with_capacity(24);
        attributes.extend([
            Attribute::written(key::EXCHANGE_ID, &self.id(Role::Exchange.as_str())),
            Attribute::text(semconv::NETWORK_TRANSPORT, "tcp"),
            Attribute::written(semconv::SOURCE_ADDRESS, &client.ip()),
            Attribute::int(semconv::SOURCE_PORT, client.port()),
            Attribute::written(semconv::DESTINATION_ADDRESS, &server.ip()),
            Attribute::int(semconv::DESTINATION_PORT, server.port()),
        ]);
        self.connection_attributes(&mut attributes);
        attributes
    }

    /// What is known of the request and its response, and of their connection.
    fn of_messages(&self, exchange: &Exchange, connection: &[Attribute]) -> Vec<Attribute> {
        let mut attributes = Vec::with_capacity(connection.len() + 8);
        attributes.extend_from_slice(connection);
        let duration_ns = exchange.ended_ns().saturating_sub(exchange.started_ns());
        attributes.extend([
            Attribute::duration(key::EXCHANGE_DURATION_NS, duration_ns),
            Attribute::text(semconv::NETWORK_PROTOCOL_NAME, "http"),
        ]);
        http_attributes::asked(&exchange.asked, self.context.url_paths, &mut attributes);
        attributes.extend(exchange.answered.iter().flat_map(http_attributes::answered));
        attributes
    }
}

impl PathFacts {
    /// How the exchange ended: on the last of its spans.
    fn end(&mut self, exchange: &Exchange) {
        self.error = http_attributes::error_type(exchange);
        let ending = ending_attributes(exchange, self.error.clone());
        self.attributes.extend(ending);
    }
}

/// How the exchange failed, and by whom.
fn ending_attributes(
    exchange: &Exchange,
    error: Option<Cow<'static, str>>,
) -> impl Iterator<Item = Attribute> {
    let reset_by = exchange.reset.map(|reset| reset.by);
    let closed_by = reset_by.or(exchange.ending.and_then(|ending| ending.by));
    let closed_by =
        closed_by.map(|side| Attribute::text(key::CLOSED_BY, http_attributes::side(side)));
    let error = error.map(|error| Attribute::text(semconv::ERROR_TYPE, error));
    error.into_iter().chain(closed_by)
}

/// The part of a response that was not seen, or could not be parsed.
pub(super) fn unseen_of_response(exchange: &Exchange) -> Option<&'static str> {
    let is_open = matches!(
        exchange.response_end,
        ResponseEnd::Unseen | ResponseEnd::WithConnection | ResponseEnd::After(_)
    );
    if exchange
        .answered
        .and_then(|answered| answered.status)
        .is_none()
    {
        return Some(incomplete::RESPONSE_HEAD);
    }
    (is_open && !exchange.has_failed()).then_some(incomplete::RESPONSE_END)
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
