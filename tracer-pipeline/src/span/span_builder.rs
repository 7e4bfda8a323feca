//! Builds the spans of a connect, a request and a response, and of their hops.
//!
//! In: legs and their paths. Out: spans with derived ids. The hops of a path are spans below it, or
//! one attribute of it.

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
    Context, Event, Span,
    attribute::{Attribute, key},
    detail::HopSpans,
    half, http_attributes,
    id::derive,
    nat::Nat,
    parties::Parties,
    paths::list,
    service_name::ServiceName,
    tcp_events,
};

/// A shorter span tells its length in an attribute as well: many back ends show microseconds.
const MICROSECOND_NS: u64 = 1_000;

/// Builds the spans of one exchange, or of one failed connect.
pub(super) struct SpanBuilder<'a> {
    /// Span ids are derived from this and from `seq`.
    pub(super) trace: TraceContext,
    /// The client's span; zero where there is none, or it is not known.
    pub(super) parent: SpanId,
    pub(super) trace_state: Option<&'a Arc<str>>,
    pub(super) seq: u32,
    pub(super) context: &'a Context<'a>,
    pub(super) nat: Option<&'a Nat<'a>>,
    /// The refusal by kube-proxy's rules, where there was no translation.
    pub(super) refusal: Option<&'a Refusal>,
    pub(super) parties: &'a Parties<'a>,
    pub(super) half: Option<Side>,
    pub(super) hop_spans: HopSpans,
    /// The workload under whose name the next spans are exported.
    pub(super) workload: Option<Arc<str>>,
    pub(super) spans: Vec<Span>,
}

/// Id, name and kernel times of a span.
pub(super) struct SpanBase {
    pub(super) span_id: SpanId,
    pub(super) name: Cow<'static, str>,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
}

/// What a span of a path has besides its hops and packets.
#[derive(Default)]
pub(super) struct PathFacts {
    pub(super) attributes: Vec<Attribute>,
    pub(super) events: Vec<Event>,
    /// What was not seen.
    pub(super) incomplete: Option<Cow<'static, str>>,
    pub(super) error: Option<Cow<'static, str>>,
}

impl SpanBuilder<'_> {
    /// Adds the span of a connect (SYN and SYN-ACK), of a request or of a response, and its hops.
    pub(super) fn path(
        &mut self,
        parent: SpanId,
        role: Role,
        legs: &[&Leg],
        path: &Path,
        facts: PathFacts,
    ) {
        self.name_service(role);
        let mut attributes = self.attributes(role);
        self.packet_attributes(legs, &mut attributes);
        let incomplete = both(facts.incomplete, missing(legs));
        attributes.extend(incomplete.map(|what| Attribute::text(key::INCOMPLETE, what)));
        if self.half.is_some() {
            attributes.extend(interface(path.uplink.as_ref()));
        }
        self.hop_attributes(&path.hops, &mut attributes);
        attributes.extend(facts.attributes);
        let base = SpanBase {
            span_id: self.id(half::part(role, self.context.node, self.half)),
            name: half::path_name(role, self.half).into(),
            start_ns: path.start_ns,
            end_ns: path.end_ns,
        };
        let id = self.push(parent, base, attributes);
        let mut events = facts.events;
        events.extend(self.retransmissions(legs));
        events.sort_by_key(|event| event.at_unix_ns);
        if let Some(span) = self.spans.last_mut() {
            span.events = events;
            let dropped = has_dropped(legs).then_some(error::PACKET_DROPPED.into());
            span.error = facts.error.or(dropped);
        }
        if self.hop_spans.are_made() {
            self.hops(id, role, path);
        }
    }

    /// The longest hop, and all hops where they have no spans.
    fn hop_attributes(&self, hops: &[Hop], attributes: &mut Vec<Attribute>) {
        if let Some(longest) = hops.iter().max_by_key(|hop| hop.duration_ns()) {
            attributes.push(Attribute::text(
                key::LONGEST_HOP_NAME,
                longest.name.as_str(),
            ));
            attributes.push(Attribute::duration(
                key::LONGEST_HOP_DURATION_NS,
                longest.duration_ns(),
            ));
        }
        match self.hop_spans {
            HopSpans::No if hops.is_empty() => {}
            HopSpans::No => attributes.push(Attribute::text(key::HOPS, list(hops))),
            HopSpans::Because(reason) => {
                attributes.push(Attribute::text(key::DETAIL_REASON, reason));
            }
            HopSpans::Always => {}
        }
    }

    /// Adds a span for each hop of a path.
    fn hops(&mut self, id: SpanId, role: Role, path: &Path) {
        // NAT acts in the first hook of each kind that a connection's packets pass: not a second
        // time for packets of the node to itself, and not for responses.
        let first = |name| path.hops.iter().position(|hop| hop.name == name);
        let decides = first(HopName::Output).or_else(|| first(HopName::Prerouting));
        let masquerades = first(HopName::Postrouting);
        let nat = self.nat.filter(|_| role != Role::Response);
        for (index, hop) in path.hops.iter().enumerate() {
            let mut attributes = Vec::with_capacity(4);
            attributes.push(Attribute::text(key::ROLE, Role::Hop.as_str()));
            attributes.push(Attribute::text(key::HOP, hop.name.as_str()));
            attributes.extend(interface(hop.interface.as_ref()));
            if let Some(nat) = nat {
                if Some(index) == decides {
                    nat.destination_attributes(&mut attributes);
                }
                if Some(index) == masquerades {
                    nat.source_attributes(&mut attributes);
                }
            }
            let part = half::part(role, self.context.node, self.half);
            let base = SpanBase {
                span_id: self.id(format_args!("{part} {index}")),
                name: hop.name.as_str().into(),
                start_ns: hop.start_ns,
                end_ns: hop.end_ns,
            };
            self.push(id, base, attributes);
        }
    }

    /// Events for the retransmitted packets.
    fn retransmissions(&self, legs: &[&Leg]) -> Vec<Event> {
        let context = self.context;
        tcp_events::retransmissions(legs, context.clock, |leg, index| {
            context.packet_drop(leg.packets().get(index)?)
        })
    }

    /// The first attributes of every span but hops.
    pub(super) fn attributes(&self, role: Role) -> Vec<Attribute> {
        let mut attributes = Vec::with_capacity(40);
        attributes.push(Attribute::text(key::ROLE, role.as_str()));
        let half = self.half.map(http_attributes::side);
        attributes.extend(half.map(|half| Attribute::text(key::HALF, half)));
        attributes
    }

    /// Sets under whose name the spans of a role are exported.
    pub(super) fn name_service(&mut self, role: Role) {
        let side = match role {
            Role::Response => Side::Server,
            _ => Side::Client,
        };
        self.workload = match self.context.service_name {
            ServiceName::Hopspan => None,
            ServiceName::Workload => self.parties.workload(side).cloned(),
        };
    }

    /// The span id of a part of the exchange or connect.
    pub(super) fn id(&self, part: impl Display) -> SpanId {
        derive(&self.trace, self.seq, part)
    }

    pub(super) fn push(
        &mut self,
        parent_id: SpanId,
        base: SpanBase,
        mut attributes: Vec<Attribute>,
    ) -> SpanId {
        let span_id = base.span_id;
        let duration_ns = base.end_ns.saturating_sub(base.start_ns);
        if duration_ns < MICROSECOND_NS {
            attributes.push(Attribute::duration(key::DURATION_NS, duration_ns));
        }
        let start_unix_ns = self.context.clock.unix_ns(base.start_ns);
        let end_unix_ns = match duration_ns {
            0 => start_unix_ns.saturating_add(MICROSECOND_NS),
            _ => self.context.clock.unix_ns(base.end_ns),
        };
        self.spans.push(Span {
            trace_id: self.trace.trace_id,
            trace_state: self.trace_state.cloned(),
            span_id,
            parent_id,
            name: base.name,
            start_unix_ns,
            end_unix_ns,
            attributes,
            events: Vec::new(),
            links: Vec::new(),
            error: None,
            workload: self.workload.clone(),
        });
        span_id
    }

    /// Adds the attributes for retransmissions and drops of a message's packets.
    fn packet_attributes(&self, legs: &[&Leg], attributes: &mut Vec<Attribute>) {
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

    /// Adds the translation of the connection, and its parties.
    pub(super) fn connection_attributes(&self, attributes: &mut Vec<Attribute>) {
        if let Some(nat) = self.nat {
            nat.destination_attributes(attributes);
            nat.source_attributes(attributes);
        }
        let decision = self.nat.and_then(Nat::decision);
        let decided = decision.map(|decision| &*decision.service);
        let refused = self.refusal.map(|refusal| &*refusal.service);
        self.parties.attributes(decided.or(refused), attributes);
    }
}

/// Whether the kernel dropped the last packet of a message.
fn has_dropped(legs: &[&Leg]) -> bool {
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

/// Two values of `hopspan.incomplete` as one.
pub(super) fn both(
    first: Option<Cow<'static, str>>,
    second: Option<&'static str>,
) -> Option<Cow<'static, str>> {
    match (first, second) {
        (Some(first), Some(second)) => Some(format!("{first}, {second}").into()),
        (first, second) => first.or(second.map(Cow::Borrowed)),
    }
}

fn interface(name: Option<&Arc<str>>) -> Option<Attribute> {
    name.map(|name| Attribute::shared(semconv::NETWORK_INTERFACE_NAME, name))
}
