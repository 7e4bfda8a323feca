//! A span as the viewer keeps it: ids, time, names, and what hopspan measured. Knows neither OTLP
//! nor the terminal.

use std::sync::Arc;

use tracer_semconv::{HopName, Role, Side};

use crate::id::{ExchangeId, SpanId};
use crate::text::Text;

/// One span of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Unique within its trace.
    pub id: SpanId,
    /// `None` for a root span.
    pub parent: Option<SpanId>,
    /// Nanoseconds since the Unix epoch; 0 when the sender set none.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch; may be before the start when clocks disagree.
    pub end_ns: u64,
    /// Span name.
    pub name: Text,
    /// The side of a call that the span is on.
    pub kind: Kind,
    /// The process that sent it; shared by the spans of one batch.
    pub resource: Arc<Resource>,
    /// The reason of its failure: `error.type`, else the status message, else the HTTP status;
    /// `None` when it did not fail.
    pub failure: Option<Text>,
    /// Whether the application or hopspan measured it.
    pub layer: Layer,
}

impl Span {
    /// End minus start; 0 when the end is before the start.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// Moves it in time, at most to the first or last moment that a span can have.
    pub(crate) fn shift(&mut self, by_ns: i128) {
        self.start_ns = shifted(self.start_ns, by_ns);
        self.end_ns = shifted(self.end_ns, by_ns);
    }

    /// What hopspan measured, or `None` for an application's span.
    pub fn data_plane(&self) -> Option<&DataPlane> {
        match &self.layer {
            Layer::Application => None,
            Layer::DataPlane(data_plane) => Some(data_plane),
        }
    }

    /// What hopspan measured beyond role and hop; `None` for most spans.
    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.data_plane()?.facts.as_deref()
    }

    /// The side of an exchange between nodes that it shows; `None` when it is whole.
    pub(crate) fn half(&self) -> Option<Side> {
        self.data_plane()?.half
    }

    /// The exchange that it is a part of; `None` for a hop and for a connect that failed.
    pub(crate) fn exchange(&self) -> Option<ExchangeId> {
        self.data_plane()?.exchange
    }

    /// The hops that are an attribute of it and have no spans.
    pub(crate) fn hops(&self) -> &[Hop] {
        self.facts().map_or(&[], |facts| &facts.hops)
    }

    /// `hopspan.hop`, or the span's name where that is missing.
    pub(crate) fn hop_name(&self) -> &Text {
        let hop = self.data_plane().and_then(|span| span.hop.as_ref());
        hop.unwrap_or(&self.name)
    }

    /// `network.interface.name` of a data-plane span.
    pub(crate) fn interface(&self) -> Option<&Text> {
        self.data_plane()?.interface.as_ref()
    }

    /// The role of a data-plane span. `None` for an application's span and for an unknown role.
    pub fn role(&self) -> Option<Role> {
        self.data_plane()?.role
    }
}

/// A moment, moved. 0 is no moment and stays 0.
pub(crate) fn shifted(at_ns: u64, by_ns: i128) -> u64 {
    if at_ns == 0 || by_ns == 0 {
        return at_ns;
    }
    let shifted = i128::from(at_ns).saturating_add(by_ns).max(1);
    u64::try_from(shifted).unwrap_or(u64::MAX)
}

/// OpenTelemetry span kind, as far as the viewer uses it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The calling side.
    Client,
    /// The answering side.
    Server,
    /// Internal, producer, consumer or unspecified.
    Other,
}

/// The process that sent a span (OpenTelemetry resource).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resource {
    /// `service.name`; without one `unknown_service`, as in the specification.
    pub service: Text,
    /// `k8s.pod.name`.
    pub pod: Option<Text>,
    /// Distinguishes agents.
    pub sender: Sender,
}

impl Resource {
    /// The name of its node, else of its host.
    pub fn node(&self) -> Option<&Text> {
        self.sender.node.as_ref().or(self.sender.host.as_ref())
    }
}

/// The identity of a sender. Senders that differ in one field are two senders.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sender {
    /// `k8s.node.name`.
    pub node: Option<Text>,
    /// `host.name`.
    pub host: Option<Text>,
    /// `service.instance.id`.
    pub instance: Option<Text>,
}

/// The layer that a span was measured in.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// The application.
    Application,
    /// hopspan, below the application's sockets.
    DataPlane(DataPlane),
}

/// The contents of a span of instrumentation scope `hopspan`.
#[derive(Debug, Clone, PartialEq)]
pub struct DataPlane {
    /// `hopspan.role`; `None` for an unknown role: the span is shown, and counts in no comparison.
    pub role: Option<Role>,
    /// `hopspan.hop`.
    pub hop: Option<Text>,
    /// `network.interface.name`.
    pub interface: Option<Text>,
    /// `hopspan.exchange.id`.
    pub exchange: Option<ExchangeId>,
    /// `hopspan.half`: the side of an exchange between nodes that this span shows; `None` when it
    /// is whole.
    pub half: Option<Side>,
    /// The sender of the other half, where two were merged: the server's agent; of a wire hop the
    /// receiver's agent.
    pub peer: Option<Arc<Resource>>,
    /// Attributes that few spans have; boxed because most spans are hops without them.
    pub facts: Option<Box<Facts>>,
}

impl DataPlane {
    /// Whether `hopspan.hop` is this hop.
    pub(crate) fn is_hop(&self, name: HopName) -> bool {
        self.hop
            .as_ref()
            .is_some_and(|hop| hop.as_str() == name.as_str())
    }

    /// Whether it is the hop between two nodes.
    pub(crate) fn is_wire(&self) -> bool {
        self.role == Some(Role::Hop) && self.is_hop(HopName::Wire)
    }
}

/// What happened to a message, and its parties.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// `hopspan.nat.original`: the address that the client connected to.
    pub nat_original: Option<Text>,
    /// `hopspan.nat.translated`: the endpoint that was chosen.
    pub nat_translated: Option<Text>,
    /// `hopspan.nat.masquerade`: the source address after SNAT.
    pub nat_masquerade: Option<Text>,
    /// `hopspan.kube_proxy.rule`: the chain path that chose the endpoint.
    pub rule: Option<Text>,
    /// `hopspan.tcp.retransmits`.
    pub retransmits: u64,
    /// `hopspan.drop.reason`.
    pub drop_reason: Option<Text>,
    /// `hopspan.drop.hop`.
    pub drop_hop: Option<Text>,
    /// `hopspan.drop.by`: what dropped it, where it was not a rule.
    pub drop_by: Option<Text>,
    /// `hopspan.kube_proxy.refusal`: why the rules lead nowhere.
    pub refusal: Option<Text>,
    /// `hopspan.kube_proxy.service`.
    pub rules_service: Option<Text>,
    /// `hopspan.correlation`: how a failed connect was assigned to its request.
    pub correlation: Option<Text>,
    /// Nanoseconds for which receive windows were zero: the sum over `tcp.zero_window` events.
    pub zero_window_ns: Option<u64>,
    /// `hopspan.incomplete`: what is missing; empty where the attribute is only `true`.
    pub incomplete: Option<Text>,
    /// The workload, pod or address that called; kept of a path whose client may have no span.
    pub source: Option<Text>,
    /// `k8s.service.name`: the service that was called.
    pub service: Option<Text>,
    /// `hopspan.destination.k8s.pod.name`: the pod that answered.
    pub pod: Option<Text>,
    /// `destination.address` with `destination.port`.
    pub destination: Option<Text>,
    /// On a merged request: `hopspan.clock.skew_ns`, `hopspan.clock.skew_bound_ns`.
    pub skew: Option<Skew>,
    /// `hopspan.hops`: the hops of a path whose hops have no spans.
    pub hops: Box<[Hop]>,
}

/// A hop that is a part of an attribute. The first starts with its path, each other one where the
/// hop before it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hop {
    /// The name.
    pub name: Text,
    /// The device, where the hop has one.
    pub interface: Option<Text>,
    /// Nanoseconds.
    pub duration_ns: u64,
}

/// The offset of a server's clock from the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// Nanoseconds by which the server's clock is ahead and its spans were moved back; 0 where
    /// nothing contradicts that the clocks agree.
    pub taken_ns: i128,
    /// The true offset is at most this many nanoseconds from `taken_ns`; `None` where packets of
    /// only one direction were seen. The bound cannot be less than the time that the exchange's
    /// packets were on the wire.
    pub bound_ns: Option<u64>,
}
