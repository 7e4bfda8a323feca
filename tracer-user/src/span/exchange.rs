//! The spans of one exchange.

use std::{borrow::Cow, net::SocketAddr};

use opentelemetry_semantic_conventions::attribute as semconv;
use tracer_common::{journey::End, message::Message};

use crate::{
    decode::{Conntrack, Journey},
    http::{
        Connect, Exchange, Leg,
        head::Method,
        trace_context::{SpanId, TraceContext},
    },
    identity::{
        kube_proxy::{Decision, Protocol, Rules},
        who::Who,
    },
    path::{Devices, Hop, HopName, Path, path},
};

use super::{
    Event, Span,
    attribute::{Attribute, key},
    clock::Clock,
    id::derive,
    message,
    party::{Parties, sides},
};

/// What the spans need to know besides the exchange.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Converts the kernel's times.
    pub clock: &'a Clock,
    /// Names of devices.
    pub devices: &'a Devices,
    /// Names of services.
    pub rules: &'a Rules,
    /// Names of pods.
    pub who: &'a Who,
    /// Tells this node's hops from another's.
    pub node: &'a str,
}

/// The spans of an exchange, parents first; none where its request carries no sampled context.
pub fn spans(exchange: &Exchange, context: &Context<'_>) -> Vec<Span> {
    let Some(trace) = exchange.asked.trace.sampled() else {
        return Vec::new();
    };
    let nat = Nat::of(&exchange.request.journey, context.rules);
    let journey = &exchange.request.journey;
    let asked = nat
        .as_ref()
        .map_or(journey.sent.destination, |nat| nat.original);
    let parties = Parties::of(&sides(exchange), asked, context.who);
    let mut maker = Maker {
        trace,
        seq: exchange.request_seq,
        context,
        nat: nat.as_ref(),
        parties,
        spans: Vec::new(),
    };
    maker.exchange(exchange);
    maker.spans
}

/// What netfilter did to the addresses.
struct Nat<'r> {
    original: SocketAddr,
    translated: SocketAddr,
    masquerade: Option<SocketAddr>,
    decision: Option<&'r Decision>,
}

impl<'r> Nat<'r> {
    /// `None` where no address was changed.
    fn of(journey: &Journey, rules: &'r Rules) -> Option<Self> {
        // Where no netfilter program saw the connection, its two ends still tell what was done to it
        // on the way between them.
        let Conntrack { original, reply } = match journey.conntrack {
            Some(conntrack) => conntrack,
            None => Conntrack {
                original: journey.sent,
                reply: journey.received?.reversed(),
            },
        };
        let masqueraded = reply.destination != original.source;
        if reply == original.reversed() {
            return None;
        }
        Some(Self {
            original: original.destination,
            translated: reply.source,
            masquerade: masqueraded.then_some(reply.destination),
            decision: rules.decision(original.destination, Protocol::Tcp, reply.source),
        })
    }

    fn destination_attributes(&self) -> Vec<Attribute> {
        let mut attributes = Vec::new();
        if self.original != self.translated {
            attributes.push(Attribute::text(
                key::NAT_ORIGINAL,
                self.original.to_string(),
            ));
            attributes.push(Attribute::text(
                key::NAT_TRANSLATED,
                self.translated.to_string(),
            ));
        }
        if let Some(decision) = self.decision {
            attributes.push(Attribute::text(
                key::KUBE_PROXY_SERVICE,
                decision.service.to_string(),
            ));
            attributes.push(Attribute::text(key::KUBE_PROXY_RULE, decision.chain_path()));
        }
        attributes
    }

    fn source_attributes(&self) -> Vec<Attribute> {
        self.masquerade
            .map(|source| Attribute::text(key::NAT_MASQUERADE, source.to_string()))
            .into_iter()
            .collect()
    }
}

struct Maker<'a> {
    trace: TraceContext,
    seq: u32,
    context: &'a Context<'a>,
    nat: Option<&'a Nat<'a>>,
    parties: Parties<'a>,
    spans: Vec<Span>,
}

/// A span before it has its ids and times.
struct Draft {
    part: Cow<'static, str>,
    role: &'static str,
    name: Cow<'static, str>,
    start_ns: u64,
    end_ns: u64,
}

impl Maker<'_> {
    fn exchange(&mut self, exchange: &Exchange) {
        let request = self.leg_path(&exchange.request);
        let response = exchange.response.as_ref().map(|leg| self.leg_path(leg));
        let connect = exchange
            .connect
            .as_ref()
            .map(|connect| self.connect_path(connect));
        let starts = [Some(&request), connect.as_ref()].into_iter().flatten();
        let trailers = exchange.trailers.as_ref().map(|leg| self.leg_path(leg));
        let ends = [Some(&request), response.as_ref(), trailers.as_ref()]
            .into_iter()
            .flatten();
        let id = self.push(
            self.trace.parent_id,
            Draft {
                part: "exchange".into(),
                role: "exchange",
                name: self.exchange_name(exchange),
                start_ns: starts.map(|path| path.start_ns).min().unwrap_or(0),
                end_ns: ends.map(|path| path.end_ns).max().unwrap_or(0),
            },
            self.exchange_attributes(exchange),
        );
        if let Some(span) = self.spans.last_mut() {
            span.error = message::error_type(exchange);
        }
        if let (Some(connect), Some(path)) = (&exchange.connect, &connect) {
            self.leg(id, "connect", &connect.syn, path);
        }
        self.leg(id, "request", &exchange.request, &request);
        if let (Some(leg), Some(path)) = (&exchange.response, &response) {
            self.leg(id, "response", leg, path);
        }
    }

    /// A connect, request or response, and its hops.
    fn leg(&mut self, parent: SpanId, role: &'static str, leg: &Leg, path: &Path) {
        let mut attributes = leg_attributes(leg, path);
        if let ("connect", Some(nat)) = (role, self.nat) {
            attributes.extend(nat.destination_attributes());
        }
        if role == "connect" {
            self.party_attributes(&mut attributes);
        }
        let draft = Draft {
            part: role.into(),
            role,
            name: role.into(),
            start_ns: path.start_ns,
            end_ns: path.end_ns,
        };
        let id = self.push(parent, draft, attributes);
        if let Some(span) = self.spans.last_mut() {
            span.events = leg
                .earlier
                .iter()
                .map(|journey| Event {
                    name: "tcp.retransmitted",
                    at_unix_ns: self.context.clock.unix_ns(journey.start_ns),
                })
                .collect();
            if leg.journey.end == End::Dropped {
                span.error = Some("packet dropped".into());
            }
        }
        for (index, hop) in path.hops.iter().enumerate() {
            self.hop(id, role, index, hop);
        }
    }

    fn hop(&mut self, parent: SpanId, role: &'static str, index: usize, hop: &Hop) {
        let mut attributes = vec![Attribute::text(key::HOP, hop.name.as_str())];
        if let Some(interface) = &hop.interface {
            attributes.push(Attribute::text(
                semconv::NETWORK_INTERFACE_NAME,
                interface.clone(),
            ));
        }
        if let (Some(nat), true) = (self.nat, role != "response") {
            match hop.name {
                HopName::Prerouting | HopName::Output => {
                    attributes.extend(nat.destination_attributes());
                }
                HopName::Postrouting => attributes.extend(nat.source_attributes()),
                _ => {}
            }
        }
        let draft = Draft {
            part: format!("{role} {} {index}", self.context.node).into(),
            role: "hop",
            name: hop.name.as_str().into(),
            start_ns: hop.start_ns,
            end_ns: hop.end_ns,
        };
        self.push(parent, draft, attributes);
    }

    fn push(&mut self, parent_id: SpanId, draft: Draft, mut attributes: Vec<Attribute>) -> SpanId {
        attributes.insert(0, Attribute::text(key::ROLE, draft.role));
        let span_id = derive(&self.trace, self.seq, &draft.part);
        self.spans.push(Span {
            trace_id: self.trace.trace_id,
            span_id,
            parent_id,
            name: draft.name,
            start_unix_ns: self.context.clock.unix_ns(draft.start_ns),
            end_unix_ns: self.context.clock.unix_ns(draft.end_ns.max(draft.start_ns)),
            attributes,
            events: Vec::new(),
            error: None,
        });
        span_id
    }

    /// Of low cardinality: a gRPC call by what it calls, else method and service.
    fn exchange_name(&self, exchange: &Exchange) -> Cow<'static, str> {
        if let Some(rpc) = &exchange.asked.rpc {
            return format!("{}/{}", rpc.service, rpc.method).into();
        }
        let method = exchange
            .asked
            .method
            .as_ref()
            .map_or("HTTP", Method::as_str);
        let decided = self.nat.and_then(|nat| nat.decision).map(short_service);
        match decided.or(self.parties.service_name()) {
            Some(service) => format!("{method} {service}").into(),
            None => method.into(),
        }
    }

    fn exchange_attributes(&self, exchange: &Exchange) -> Vec<Attribute> {
        let journey = &exchange.request.journey;
        let destination = journey.received.unwrap_or(journey.sent).destination;
        let mut attributes = vec![
            Attribute::text(semconv::NETWORK_TRANSPORT, "tcp"),
            Attribute::text(semconv::NETWORK_PROTOCOL_NAME, "http"),
            Attribute::text(
                semconv::SOURCE_ADDRESS,
                journey.sent.source.ip().to_string(),
            ),
            Attribute::int(semconv::SOURCE_PORT, journey.sent.source.port()),
            Attribute::text(semconv::DESTINATION_ADDRESS, destination.ip().to_string()),
            Attribute::int(semconv::DESTINATION_PORT, destination.port()),
        ];
        attributes.extend(message::asked(&exchange.asked));
        if let Some(answered) = &exchange.answered {
            attributes.extend(message::answered(answered));
        }
        if let Some(nat) = self.nat {
            attributes.extend(nat.destination_attributes());
            attributes.extend(nat.source_attributes());
        }
        self.party_attributes(&mut attributes);
        if let Some(error) = message::error_type(exchange) {
            attributes.push(Attribute::text(semconv::ERROR_TYPE, error));
        }
        let missing = match (&exchange.response, &exchange.answered) {
            // The stream was ended before there was one.
            (None, _) if exchange.reset.is_some() => None,
            (None, _) => Some("response"),
            (Some(_), None) => Some("response head"),
            _ => None,
        };
        attributes.extend(missing.map(|what| Attribute::text(key::INCOMPLETE, what)));
        attributes
    }

    fn party_attributes(&self, attributes: &mut Vec<Attribute>) {
        let decision = self.nat.and_then(|nat| nat.decision);
        let decided = decision.map(|decision| &*decision.service);
        self.parties.attributes(decided, attributes);
    }

    fn leg_path(&self, leg: &Leg) -> Path {
        let mut path = path(&leg.journey, leg.read_ns, self.context.devices);
        path.start_at(leg.first_start_ns());
        path
    }

    /// The SYN there and the SYN-ACK back.
    fn connect_path(&self, connect: &Connect) -> Path {
        let there = self.leg_path(&connect.syn);
        match &connect.syn_ack {
            Some(syn_ack) => there.then(self.leg_path(syn_ack)),
            None => there,
        }
    }
}

/// What happened to the packets of a message.
fn leg_attributes(leg: &Leg, path: &Path) -> Vec<Attribute> {
    let journey = &leg.journey;
    let mut attributes = Vec::new();
    if !leg.earlier.is_empty() {
        let count = i64::try_from(leg.earlier.len()).unwrap_or(i64::MAX);
        attributes.push(Attribute::int(key::TCP_RETRANSMITS, count));
    }
    if let Some(reason) = journey.drop_reason {
        attributes.push(Attribute::int(key::DROP_REASON, reason));
        attributes.extend(
            path.hops
                .last()
                .map(|hop| Attribute::text(key::DROP_HOP, hop.name.as_str())),
        );
    }
    let carries_head = !matches!(journey.message, Message::Syn | Message::SynAck);
    let missing = match journey.end {
        End::Expired => Some("end of the path"),
        End::Socket if journey.stamps_cut => Some("last hops"),
        End::Socket if carries_head && leg.read_ns.is_none() => Some("socket.queue"),
        _ => None,
    };
    attributes.extend(missing.map(|what| Attribute::text(key::INCOMPLETE, what)));
    attributes
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
mod tests;
