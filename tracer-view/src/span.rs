//! A span as the viewer keeps it: identity, time, names, and what hopspan measured. Knows neither OTLP nor the terminal.

use std::fmt;
use std::num::{NonZeroU64, NonZeroU128};
use std::sync::Arc;

use crate::text::Text;

/// W3C trace id: 16 bytes, not all zero (W3C Trace Context, section 3.2.2.3).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TraceId(NonZeroU128);

impl TraceId {
    /// `None` unless `bytes` are 16 and not all zero.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = <[u8; 16]>::try_from(bytes).ok()?;
        NonZeroU128::new(u128::from_be_bytes(bytes)).map(Self)
    }
}

impl fmt::Display for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

impl fmt::Debug for TraceId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// W3C span id: 8 bytes, not all zero (W3C Trace Context, section 3.2.2.4).
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SpanId(NonZeroU64);

impl SpanId {
    /// `None` unless `bytes` are 8 and not all zero.
    pub fn from_bytes(bytes: &[u8]) -> Option<Self> {
        let bytes = <[u8; 8]>::try_from(bytes).ok()?;
        NonZeroU64::new(u64::from_be_bytes(bytes)).map(Self)
    }
}

impl fmt::Display for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

impl fmt::Debug for SpanId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

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

    /// What hopspan measured, or `None` for an application's span.
    pub fn data_plane(&self) -> Option<&DataPlane> {
        match &self.layer {
            Layer::Application => None,
            Layer::DataPlane(data_plane) => Some(data_plane),
        }
    }

    /// The role of a data-plane span.
    pub fn role(&self) -> Option<Role> {
        self.data_plane().map(|d| d.role)
    }
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
    /// `hopspan.role`.
    pub role: Role,
    /// `hopspan.hop`.
    pub hop: Option<Text>,
    /// `network.interface.name`.
    pub interface: Option<Text>,
    /// The attributes that few spans have; boxed because most spans are plain hops.
    pub facts: Option<Box<Facts>>,
}

/// `hopspan.role` of a data-plane span.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A request and its response.
    Exchange,
    /// SYN to SYN-ACK.
    Connect,
    /// The request's path.
    Request,
    /// The response's path.
    Response,
    /// One hop of a path.
    Hop,
    /// A role this viewer does not know; the span is shown, and counts in no comparison.
    Unknown,
}

impl Role {
    /// A message's way through the node, which its hops partition.
    pub fn is_path(self) -> bool {
        matches!(self, Self::Connect | Self::Request | Self::Response)
    }
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
}
