//! The spans of one exchange.

use std::{borrow::Cow, net::SocketAddr, sync::Arc};

use opentelemetry_semantic_conventions::attribute as semconv;
use tracer_common::{journey::End, message::Message};

use crate::{
    decode::{DropReasons, Journey},
    flow::Side,
    http::{
        Connect, Exchange, Leg,
        head::Method,
        trace_context::{SpanId, TraceContext},
    },
    identity::{
        kube_proxy::{Decision, Refusal, Rules},
        who::{self, Who},
    },
    path::{Devices, Hop, HopName, Lost, Path, path},
};

use super::{
    Span,
    attribute::{Attribute, key},
    clock::Clock,
    event, half,
    id::derive,
    message,
    nat::Nat,
    party::Parties,
};

/// The part of an exchange that is all of it.
const EXCHANGE: &str = "exchange";

/// The id of an exchange's span.
pub(super) fn exchange_id(trace: &TraceContext, request_seq: u32) -> SpanId {
    derive(trace, request_seq, EXCHANGE)
}

/// What the spans need to know besides their exchange or connect.
#[derive(Clone, Copy, Debug)]
pub struct Context<'a> {
    /// Converts the kernel's times.
    pub clock: &'a Clock,
    /// Names of devices.
    pub devices: &'a Devices,
    /// Names of services.
    pub rules: &'a Rules,
    /// Names of the kernel's reasons to drop a packet.
    pub drop_reasons: &'a DropReasons,
    /// Names of pods.
    pub who: &'a Who,
    /// Tells this node's hops from another's.
    pub node: &'a str,
}

impl Context<'_> {
    /// Why and where a packet was dropped; `None` where it was not.
    pub fn lost(&self, journey: &Journey) -> Option<Lost> {
        Lost::of(journey, self.devices, self.drop_reasons)
    }
}

/// The spans of an exchange in its trace, parents first; `sides` is who took part, as
/// [`Item::sides`](super::Item::sides) says.
pub fn spans(
    exchange: &Exchange,
    sides: &[who::Side; 2],
    trace: TraceContext,
    context: &Context<'_>,
) -> Vec<Span> {
    let nat = Nat::of(&exchange.request.journey, context.rules);
    let journey = &exchange.request.journey;
    // What was translated on another node came here for its pod: nobody tells for which service.
    let sent = (!journey.has_arrived()).then_some(journey.sent.destination);
    let asked = nat.as_ref().map(Nat::original).or(sent);
    let parties = Parties::of(sides, asked, context.who);
    let mut maker = Maker {
        trace,
        trace_state: exchange.asked.tracestate.as_ref(),
        seq: exchange.request_seq,
        context,
        nat: nat.as_ref(),
        refusal: None,
        parties,
        half: half::of(exchange),
        spans: Vec::new(),
    };
    maker.exchange(exchange, sides[1].socket);
    maker.spans
}

/// Makes the spans of one exchange, or of one connect.
pub(super) struct Maker<'a> {
    /// What span ids are derived from.
    pub(super) trace: TraceContext,
    pub(super) trace_state: Option<&'a Arc<str>>,
    /// The same.
    pub(super) seq: u32,
    pub(super) context: &'a Context<'a>,
    pub(super) nat: Option<&'a Nat<'a>>,
    /// Why the rules lead nowhere.
    pub(super) refusal: Option<&'a Refusal>,
    pub(super) parties: Parties<'a>,
    pub(super) half: Option<Side>,
    pub(super) spans: Vec<Span>,
}

/// A span before it has its ids and times.
pub(super) struct Draft {
    pub(super) part: Cow<'static, str>,
    pub(super) role: &'static str,
    pub(super) name: Cow<'static, str>,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
}

impl Maker<'_> {
    fn exchange(&mut self, exchange: &Exchange, server: SocketAddr) {
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
            .flatten()
            .map(|path| path.end_ns)
            .chain(exchange.ending.map(|ending| ending.at_ns));
        let id = self.push(
            self.trace.parent_id,
            Draft {
                part: EXCHANGE.into(),
                role: "exchange",
                name: self.exchange_name(exchange),
                start_ns: starts.map(|path| path.start_ns).min().unwrap_or(0),
                end_ns: ends.max().unwrap_or(0),
            },
            self.exchange_attributes(exchange, server),
        );
        if let Some(span) = self.spans.last_mut() {
            span.error = message::error_type(exchange);
            span.events = event::zero_windows(exchange, self.context.clock);
        }
        if let (Some(connect), Some(path)) = (&exchange.connect, &connect) {
            let legs: Vec<&Leg> = connect.legs().collect();
            self.leg(id, "connect", &legs, path);
        }
        self.leg(id, "request", &[&exchange.request], &request);
        if let (Some(leg), Some(path)) = (&exchange.response, &response) {
            self.leg(id, "response", &[leg], path);
        }
    }

    /// A connect, which is a SYN and its SYN-ACK, or a request or a response; and its hops.
    pub(super) fn leg(&mut self, parent: SpanId, role: &'static str, legs: &[&Leg], path: &Path) {
        let mut attributes = self.leg_attributes(legs);
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
            let context = self.context;
            span.events = event::retransmissions(legs, context.clock, |leg, index| {
                context.lost(leg.packets().get(index)?)
            });
            if legs.iter().any(|leg| leg.journey.end == End::Dropped) {
                span.error = Some("packet dropped".into());
            }
        }
        // NAT decides in the first hook of each kind that a connection's packets meet: not again for what the node sends to
        // itself, and not for the way back.
        let first = |name| path.hops.iter().position(|hop| hop.name == name);
        let decides = first(HopName::Output).or_else(|| first(HopName::Prerouting));
        let masquerades = first(HopName::Postrouting);
        let mut wires = 0;
        for (index, hop) in path.hops.iter().enumerate() {
            let mut attributes = hop_attributes(hop);
            if let (Some(nat), true) = (self.nat, role != "response") {
                if Some(index) == decides {
                    attributes.extend(nat.destination_attributes());
                }
                if Some(index) == masquerades {
                    attributes.extend(nat.source_attributes());
                }
            }
            let part = if hop.name == HopName::Wire {
                wires += 1;
                half::wire_part(role, wires)
            } else {
                half::hop_part(role, self.context.node, self.half, index)
            };
            let draft = Draft {
                part: part.into(),
                role: "hop",
                name: hop.name.as_str().into(),
                start_ns: hop.start_ns,
                end_ns: hop.end_ns,
            };
            self.push(id, draft, attributes);
        }
    }

    pub(super) fn push(
        &mut self,
        parent_id: SpanId,
        draft: Draft,
        mut attributes: Vec<Attribute>,
    ) -> SpanId {
        attributes.insert(0, Attribute::text(key::ROLE, draft.role));
        if let (Some(half), true) = (self.half, draft.role != "hop") {
            attributes.insert(1, Attribute::text(key::HALF, message::side(half)));
        }
        let span_id = derive(&self.trace, self.seq, &draft.part);
        self.spans.push(Span {
            trace_id: self.trace.trace_id,
            trace_state: self.trace_state.cloned(),
            span_id,
            parent_id,
            name: draft.name,
            start_unix_ns: self.context.clock.unix_ns(draft.start_ns),
            end_unix_ns: self.context.clock.unix_ns(draft.end_ns.max(draft.start_ns)),
            attributes,
            events: Vec::new(),
            links: Vec::new(),
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
        let decided = self.nat.and_then(Nat::decision).map(short_service);
        match decided.or(self.parties.service_name()) {
            Some(service) => format!("{method} {service}").into(),
            None => method.into(),
        }
    }

    fn exchange_attributes(&self, exchange: &Exchange, server: SocketAddr) -> Vec<Attribute> {
        let source = exchange.request.journey.client();
        let mut attributes = vec![
            Attribute::text(semconv::NETWORK_TRANSPORT, "tcp"),
            Attribute::text(semconv::NETWORK_PROTOCOL_NAME, "http"),
            Attribute::text(semconv::SOURCE_ADDRESS, source.ip().to_string()),
            Attribute::int(semconv::SOURCE_PORT, source.port()),
            Attribute::text(semconv::DESTINATION_ADDRESS, server.ip().to_string()),
            Attribute::int(semconv::DESTINATION_PORT, server.port()),
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
        let closed_by = exchange.ending.and_then(|ending| ending.by);
        attributes
            .extend(closed_by.map(|side| Attribute::text(key::CLOSED_BY, message::side(side))));
        attributes.extend(incomplete(exchange).map(|what| Attribute::text(key::INCOMPLETE, what)));
        attributes
    }

    /// What happened to the packets of a message.
    fn leg_attributes(&self, legs: &[&Leg]) -> Vec<Attribute> {
        let mut attributes = Vec::new();
        let retransmits: usize = legs.iter().map(|leg| leg.earlier.len()).sum();
        if retransmits > 0 {
            let count = i64::try_from(retransmits).unwrap_or(i64::MAX);
            attributes.push(Attribute::int(key::TCP_RETRANSMITS, count));
        }
        // The message may have arrived with a later packet; this one says why it took so long.
        let dropped = legs.iter().filter_map(|leg| leg.dropped());
        let dropped = dropped.max_by_key(|journey| journey.start_ns);
        let lost = dropped.and_then(|journey| self.context.lost(journey));
        attributes.extend(lost.into_iter().flat_map(event::drop_attributes));
        let missing = legs.iter().find_map(|leg| missing(leg));
        attributes.extend(missing.map(|what| Attribute::text(key::INCOMPLETE, what)));
        attributes
    }

    pub(super) fn party_attributes(&self, attributes: &mut Vec<Attribute>) {
        let decision = self.nat.and_then(Nat::decision);
        let decided = decision.map(|decision| &*decision.service);
        let refused = self.refusal.map(|refusal| &*refusal.service);
        self.parties.attributes(decided.or(refused), attributes);
    }

    fn leg_path(&self, leg: &Leg) -> Path {
        let Context {
            devices,
            drop_reasons,
            ..
        } = *self.context;
        let mut path = path(&leg.journey, leg.read_ns, devices, drop_reasons);
        path.start_at(leg.first_start_ns());
        path
    }

    /// The SYN there and the SYN-ACK back.
    pub(super) fn connect_path(&self, connect: &Connect) -> Path {
        let there = self.leg_path(&connect.syn);
        match &connect.syn_ack {
            Some(syn_ack) => there.then(self.leg_path(syn_ack)),
            None => there,
        }
    }
}

/// What of the way of a message was not seen.
fn missing(leg: &Leg) -> Option<&'static str> {
    let journey = &leg.journey;
    let carries_head = !matches!(journey.message, Message::Syn | Message::SynAck);
    match journey.end {
        End::Expired => Some("end of the path"),
        End::Socket if journey.stamps_cut => Some("last hops"),
        End::Socket if carries_head && leg.read_ns.is_none() => Some("socket.queue"),
        _ => None,
    }
}

fn hop_attributes(hop: &Hop) -> Vec<Attribute> {
    let interface = hop.interface.as_ref();
    let interface =
        interface.map(|name| Attribute::text(semconv::NETWORK_INTERFACE_NAME, name.clone()));
    let name = Attribute::text(key::HOP, hop.name.as_str());
    std::iter::once(name).chain(interface).collect()
}

/// What of an exchange was not seen, or could not be read.
fn incomplete(exchange: &Exchange) -> Option<&'static str> {
    let request = exchange.asked.is_incomplete.then_some("request head");
    // The stream or the connection may have ended before there was a response.
    let has_failed = exchange.reset.is_some() || exchange.ending.is_some();
    let status = exchange.answered.map(|answered| answered.status);
    let response = match (&exchange.response, status) {
        (None, _) if has_failed => None,
        (None, _) => Some("response"),
        (Some(_), None | Some(None)) => Some("response head"),
        _ => None,
    };
    match (request, response) {
        (Some(_), Some("response")) => Some("request head, response"),
        (Some(_), Some(_)) => Some("request head, response head"),
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
