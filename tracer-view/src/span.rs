//! A span as the viewer keeps it: identity, time, names, and what hopspan measured. Knows neither OTLP nor the terminal.

use std::sync::Arc;

use tracer_semconv::{HopName, Role, Side};

use crate::id::SpanId;
use crate::text::Text;

/// One span of a trace.
#[derive(Debug, Clone, PartialEq)]
pub struct Span {
    /// Unique within its trace.
    pub id: SpanId,
    /// `None` for a root span.
    pub parent: Option<SpanId>,
    /// Nanoseconds since the Unix epoch; 0 when the sender did not say.
    pub start_ns: u64,
    /// Nanoseconds since the Unix epoch; may be before the start when clocks disagree.
    pub end_ns: u64,
    /// Span name.
    pub name: Text,
    /// Which side of a call the span is.
    pub kind: Kind,
    /// Who sent it; shared by the spans of one batch.
    pub resource: Arc<Resource>,
    /// Why it failed: `error.type`, else the status message, else the HTTP status; `None` when it did not fail.
    pub failure: Option<Text>,
    /// The application's own, or measured by hopspan.
    pub layer: Layer,
}

impl Span {
    /// End minus start; 0 when the end is before the start.
    pub fn duration_ns(&self) -> u64 {
        self.end_ns.saturating_sub(self.start_ns)
    }

    /// Moves it in time; at both ends of time it stays there.
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

    /// Which side of an exchange between nodes this span is; `None` when it is whole.
    pub(crate) fn half(&self) -> Option<Side> {
        self.data_plane()?.half
    }

    /// What tells a copy from others of its id: who sent it, and which end of an exchange it is. An agent sends both halves
    /// itself where packets take a way over another node; of a wire hop these differ in time alone. What is sent again is
    /// equal in all of it, and every span of an application to the first of its id.
    pub(crate) fn copy(&self) -> Option<Copied> {
        let data_plane = self.data_plane()?;
        Some(Copied {
            sender: self.resource.sender.clone(),
            half: data_plane.half,
            on_wire_ns: data_plane.is_wire().then_some(self.start_ns),
        })
    }

    /// The role of a data-plane span; `None` also where the viewer does not know the role.
    pub fn role(&self) -> Option<Role> {
        self.data_plane()?.role
    }
}

/// A moment, moved; 0 is none.
pub(crate) fn shifted(at_ns: u64, by_ns: i128) -> u64 {
    if at_ns == 0 || by_ns == 0 {
        return at_ns;
    }
    let shifted = i128::from(at_ns).saturating_add(by_ns).max(1);
    u64::try_from(shifted).unwrap_or(u64::MAX)
}

/// OpenTelemetry span kind, as far as the viewer distinguishes.
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
    /// `service.name`; `unknown_service` as the specification says when there is none.
    pub service: Text,
    /// `k8s.pod.name`.
    pub pod: Option<Text>,
    /// What tells agents apart.
    pub sender: Sender,
}

impl Resource {
    /// The node it is on, as far as it says.
    pub fn node(&self) -> Option<&Text> {
        self.sender.node.as_ref().or(self.sender.host.as_ref())
    }
}

/// Where a sender is, and which it is there: two that differ in any of these are two.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sender {
    /// `k8s.node.name`.
    pub node: Option<Text>,
    /// `host.name`.
    pub host: Option<Text>,
    /// `service.instance.id`.
    pub instance: Option<Text>,
}

/// Who measured a span.
#[derive(Debug, Clone, PartialEq)]
pub enum Layer {
    /// The application itself.
    Application,
    /// hopspan, below the application's sockets.
    DataPlane(DataPlane),
}

/// What a span of instrumentation scope `hopspan` says.
#[derive(Debug, Clone, PartialEq)]
pub struct DataPlane {
    /// `hopspan.role`; `None` for a role that the viewer does not know: the span is shown, and counts in no comparison.
    pub role: Option<Role>,
    /// `hopspan.hop`.
    pub hop: Option<Text>,
    /// `network.interface.name`.
    pub interface: Option<Text>,
    /// `hopspan.half`: which side of an exchange between nodes this is; `None` when it is whole.
    pub half: Option<Side>,
    /// Who sent the other copy, where two were merged: the server's agent; of a wire hop the receiver's.
    pub peer: Option<Arc<Resource>>,
    /// The attributes that few spans have; boxed because most spans are plain hops.
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

/// See [`Span::copy`].
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Copied {
    sender: Sender,
    half: Option<Side>,
    on_wire_ns: Option<u64>,
}

/// What became of a message, and who took part.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// `hopspan.nat.original`: where the client connected to.
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
    /// `hopspan.drop.by`: who dropped it, where it was no rule.
    pub drop_by: Option<Text>,
    /// `hopspan.kube_proxy.refusal`: why the rules lead nowhere.
    pub refusal: Option<Text>,
    /// `hopspan.kube_proxy.service`.
    pub rules_service: Option<Text>,
    /// `hopspan.correlation`: how the span was found to belong where it is.
    pub correlation: Option<Text>,
    /// For how long receive windows were zero, in nanoseconds: the sum of `tcp.zero_window` events.
    pub zero_window_ns: Option<u64>,
    /// `hopspan.incomplete`: what is missing; empty text when the span only says that something is.
    pub incomplete: Option<Text>,
    /// `k8s.service.name`: the service that was called.
    pub service: Option<Text>,
    /// `k8s.pod.name`: the pod that answered.
    pub pod: Option<Text>,
    /// `destination.address` with `destination.port`.
    pub destination: Option<Text>,
    /// On a merged exchange: what was found of the server's clock. `hopspan.clock.skew_ns`, `hopspan.clock.skew_bound_ns`.
    pub skew: Option<Skew>,
}

/// The offset of a server's clock from the client's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Skew {
    /// Nanoseconds by which the server's clock is ahead, as they were taken out of its spans; 0 where nothing contradicts
    /// that the clocks agree.
    pub taken_ns: i128,
    /// The true offset is at most as many nanoseconds from that; `None` where packets of one direction only were seen. The
    /// time that the exchange's packets were on their way limits how well an offset can be known.
    pub bound_ns: Option<u64>,
}
