//! Builds the spans of an exchange, of a connect, of a message's path and of its hops.
//!
//! In: legs and their paths. Out: spans with derived ids, as many as the detail requires: the hops
//! of a path are spans below it, or its events, or one attribute of the exchange.

use std::{borrow::Cow, fmt::Display, sync::Arc};

use opentelemetry_semantic_conventions::attribute as semconv;
use tracer_common::{journey::End, message::Message};
use tracer_semconv::{Role, error, incomplete};

use crate::{
    flow::Side,
    http::{
        Leg,
        trace_context::{SpanId, TraceContext},
    },
    kube_proxy::Refusal,
    path::{Hop, HopName, Path},
};

use super::{
    Context, Detail, Event, Span,
    attribute::{Attribute, key},
    half, http_attributes,
    id::derive,
    nat::Nat,
    parties::Parties,
    paths::list,
    tcp_events,
};

/// Builds the spans of one exchange, or of one failed connect.
pub(super) struct SpanBuilder<'a> {
    /// Span ids are derived from this and from `seq`.
    pub(super) trace: TraceContext,
    pub(super) trace_state: Option<&'a Arc<str>>,
    pub(super) seq: u32,
    pub(super) context: &'a Context<'a>,
    pub(super) nat: Option<&'a Nat<'a>>,
    /// The refusal by kube-proxy's rules, where there was no translation.
    pub(super) refusal: Option<&'a Refusal>,
    pub(super) parties: &'a Parties<'a>,
    pub(super) half: Option<Side>,
    pub(super) spans: Vec<Span>,
}

/// Id, name and kernel times of a span.
pub(super) struct SpanBase {
    pub(super) span_id: SpanId,
    pub(super) name: Cow<'static, str>,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
}

impl SpanBuilder<'_> {
    /// Adds the span of a connect (SYN and SYN-ACK), of a request or of a response, and its hops.
    pub(super) fn leg(&mut self, parent: SpanId, role: &'static str, legs: &[&Leg], path: &Path) {
        let mut attributes = self.attributes(role);
        self.leg_attributes(legs, &mut attributes);
        attributes.extend(missing(legs).map(|what| Attribute::text(key::INCOMPLETE, what)));
        if role == Role::Connect.as_str() {
            if let Some(nat) = self.nat {
                nat.destination_attributes(&mut attributes);
                // Without hop spans the connect has the attributes of the hop.
                if self.context.detail != Detail::Hop {
                    nat.source_attributes(&mut attributes);
                }
            }
            self.party_attributes(&mut attributes);
        }
        let base = SpanBase {
            span_id: self.id(role),
            name: role.into(),
            start_ns: path.start_ns,
            end_ns: path.end_ns,
        };
        let mut events = self.packet_events(legs);
        match self.context.detail {
            Detail::Hop => {}
            Detail::Path => events.extend(path.hops.iter().map(|hop| self.hop_event(hop))),
            Detail::Exchange => attributes.push(Attribute::text(key::HOPS, list(&path.hops))),
        }
        events.sort_by_key(|event| event.at_unix_ns);
        let id = self.push(parent, base, attributes);
        if let Some(span) = self.spans.last_mut() {
            span.events = events;
            if has_dropped(legs) {
                span.error = Some(error::PACKET_DROPPED.into());
            }
        }
        if self.context.detail == Detail::Hop {
            self.hops(id, role, path);
        }
    }

    /// Adds a span for each hop of a path.
    fn hops(&mut self, id: SpanId, role: &'static str, path: &Path) {
        // NAT acts in the first hook of each kind that a connection's packets pass: not a second
        // time for packets of the node to itself, and not for responses.
        let first = |name| path.hops.iter().position(|hop| hop.name == name);
        let decides = first(HopName::Output).or_else(|| first(HopName::Prerouting));
        let masquerades = first(HopName::Postrouting);
        let nat = self.nat.filter(|_| role != Role::Response.as_str());
        let mut wires = 0;
        for (index, hop) in path.hops.iter().enumerate() {
            let mut attributes = Vec::with_capacity(3);
            attributes.push(Attribute::text(key::ROLE, Role::Hop.as_str()));
            attributes.push(Attribute::text(key::HOP, hop.name.as_str()));
            attributes.extend(interface(hop));
            if let Some(nat) = nat {
                if Some(index) == decides {
                    nat.destination_attributes(&mut attributes);
                }
                if Some(index) == masquerades {
                    nat.source_attributes(&mut attributes);
                }
            }
            let span_id = if hop.name == HopName::Wire {
                wires += 1;
                self.id(half::wire_part(role, wires))
            } else {
                self.id(half::hop_part(role, self.context.node, self.half, index))
            };
            let base = SpanBase {
                span_id,
                name: hop.name.as_str().into(),
                start_ns: hop.start_ns,
                end_ns: hop.end_ns,
            };
            self.push(id, base, attributes);
        }
    }

    /// A hop as an event of its path, at the hop's start.
    fn hop_event(&self, hop: &Hop) -> Event {
        let duration_ns = hop.end_ns.saturating_sub(hop.start_ns);
        let mut attributes = Vec::with_capacity(3);
        attributes.push(Attribute::text(key::HOP, hop.name.as_str()));
        attributes.extend(interface(hop));
        attributes.push(Attribute::duration(key::DURATION_NS, duration_ns));
        Event {
            name: hop.name.as_str(),
            at_unix_ns: self.context.clock.unix_ns(hop.start_ns),
            attributes,
        }
    }

    /// Events for the retransmitted packets.
    pub(super) fn packet_events(&self, legs: &[&Leg]) -> Vec<Event> {
        let context = self.context;
        tcp_events::retransmissions(legs, context.clock, |leg, index| {
            context.packet_drop(leg.packets().get(index)?)
        })
    }

    /// The first attributes of every span but hops.
    pub(super) fn attributes(&self, role: &'static str) -> Vec<Attribute> {
        let mut attributes = Vec::with_capacity(4);
        attributes.push(Attribute::text(key::ROLE, role));
        let half = self.half.map(http_attributes::side);
        attributes.extend(half.map(|half| Attribute::text(key::HALF, half)));
        attributes
    }

    /// The span id of a part of the exchange or connect.
    pub(super) fn id(&self, part: impl Display) -> SpanId {
        derive(&self.trace, self.seq, part)
    }

    pub(super) fn push(
        &mut self,
        parent_id: SpanId,
        base: SpanBase,
        attributes: Vec<Attribute>,
    ) -> SpanId {
        let span_id = base.span_id;
        self.spans.push(Span {
            trace_id: self.trace.trace_id,
            trace_state: self.trace_state.cloned(),
            span_id,
            parent_id,
            name: base.name,
            start_unix_ns: self.context.clock.unix_ns(base.start_ns),
            end_unix_ns: self.context.clock.unix_ns(base.end_ns.max(base.start_ns)),
            attributes,
            events: Vec::new(),
            links: Vec::new(),
            error: None,
        });
        span_id
    }

    /// Adds the attributes for retransmissions and drops of a message's packets.
    pub(super) fn leg_attributes(&self, legs: &[&Leg], attributes: &mut Vec<Attribute>) {
        let retransmits: usize = legs.iter().map(|leg| leg.earlier.len()).sum();
        if retransmits > 0 {
            let count = i64::try_from(retransmits).unwrap_or(i64::MAX);
            attributes.push(Attribute::int(key::TCP_RETRANSMITS, count));
        }
        // A later packet may have delivered the message; the drop still explains its delay.
        let dropped = legs.iter().filter_map(|leg| leg.dropped());
        let dropped = dropped.max_by_key(|journey| journey.start_ns);
        let lost = dropped.and_then(|journey| self.context.packet_drop(journey));
        attributes.extend(lost.into_iter().flat_map(tcp_events::drop_attributes));
    }

    pub(super) fn party_attributes(&self, attributes: &mut Vec<Attribute>) {
        let decision = self.nat.and_then(Nat::decision);
        let decided = decision.map(|decision| &*decision.service);
        let refused = self.refusal.map(|refusal| &*refusal.service);
        self.parties.attributes(decided.or(refused), attributes);
    }
}

/// Whether the kernel dropped the last packet of a message.
pub(super) fn has_dropped(legs: &[&Leg]) -> bool {
    legs.iter().any(|leg| leg.journey.end == End::Dropped)
}

/// The part of a message's path that was not seen.
pub(super) fn missing(legs: &[&Leg]) -> Option<&'static str> {
    legs.iter().find_map(|leg| missing_of(leg))
}

fn missing_of(leg: &Leg) -> Option<&'static str> {
    let journey = &leg.journey;
    let carries_head = !matches!(journey.message, Message::Syn | Message::SynAck);
    match journey.end {
        End::Expired => Some(incomplete::PATH_END),
        End::Socket if journey.stamps_cut => Some(incomplete::LAST_HOPS),
        End::Socket if carries_head && leg.read_ns.is_none() => Some(incomplete::SOCKET_QUEUE),
        _ => None,
    }
}

fn interface(hop: &Hop) -> Option<Attribute> {
    let interface = hop.interface.as_ref()?;
    Some(Attribute::shared(
        semconv::NETWORK_INTERFACE_NAME,
        interface,
    ))
}
