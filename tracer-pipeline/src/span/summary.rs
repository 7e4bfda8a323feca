//! An exchange or failed connect as one value, for `hopspan watch`.
//!
//! It has what the spans have, under short names, and borrows it. It is one line of JSON on its way
//! from the agent to a watcher, which reads it with the same types. `docs/watch.md` documents the
//! fields.

use std::borrow::Cow;

use serde::{Deserialize, Serialize};

/// What a [`Summary`] is of.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum SummaryKind {
    /// A request and its response.
    Exchange,
    /// A connection that was not opened.
    FailedConnect,
}

/// An exchange or failed connect. What is not known is `None` or empty.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Summary<'a> {
    /// What it is of.
    pub kind: SummaryKind,
    /// Nanoseconds since 1970-01-01 00:00 UTC: the client's first packet or, of a failed connect,
    /// the call.
    pub start_unix_ns: u64,
    /// Until the last byte was read, or until the failure.
    pub total_ns: u64,
    /// The part of it in connect, request and response on this node, without `wire` and `body`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub data_plane_ns: Option<u64>,
    /// The trace of its spans; `None` where it has no spans.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trace_id: Option<Cow<'a, str>>,
    /// `client` or `server`: the side on this node, where the other one is on another.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub half: Option<Cow<'a, str>>,
    /// The side that opened the connection.
    pub client: SummaryEnd<'a>,
    /// The service that was called: `namespace/name`, with `:port` where only kube-proxy's rules
    /// name it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub service: Option<Cow<'a, str>>,
    /// The side that was chosen.
    pub server: SummaryEnd<'a>,
    /// The version of HTTP.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub http_version: Option<Cow<'a, str>>,
    /// The method.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub method: Option<Cow<'a, str>>,
    /// The path or its template, as `--paths` allows; of a gRPC call `/package.Service/Method`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub path: Option<Cow<'a, str>>,
    /// The HTTP status.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The status of a gRPC call.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub grpc_status: Option<u32>,
    /// `error.type`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<Cow<'a, str>>,
    /// The last packet that the kernel dropped.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drop: Option<SummaryDrop<'a>>,
    /// Packets that were sent again.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub retransmits: u32,
    /// The parts that were not seen, as `hopspan.incomplete`.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub incomplete: Vec<Cow<'a, str>>,
    /// The translation of the connection's addresses.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub nat: Option<SummaryNat<'a>>,
    /// kube-proxy's decision, or its refusal.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kube_proxy: Option<SummaryRule<'a>>,
    /// connect, request and response, as far as they were seen.
    pub paths: Vec<SummaryPath<'a>>,
}

/// One end of a connection.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryEnd<'a> {
    /// Address and port.
    pub address: Cow<'a, str>,
    /// The pod.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pod: Option<Cow<'a, str>>,
    /// The pod's namespace.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<Cow<'a, str>>,
    /// The pod's workload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub workload: Option<Cow<'a, str>>,
    /// The container's name or, where that is unknown, its id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub container: Option<Cow<'a, str>>,
    /// The node.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node: Option<Cow<'a, str>>,
}

/// A packet that the kernel dropped.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryDrop<'a> {
    /// The kernel's name of the reason.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Cow<'a, str>>,
    /// The hop.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub hop: Option<Cow<'a, str>>,
    /// `conntrack`, if no rule can have dropped it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub by: Option<Cow<'a, str>>,
}

/// The translation of a connection's addresses.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryNat<'a> {
    /// The destination before DNAT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<Cow<'a, str>>,
    /// The destination after it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub translated: Option<Cow<'a, str>>,
    /// The source after SNAT.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub masquerade: Option<Cow<'a, str>>,
}

/// What kube-proxy's rules did with a connection.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryRule<'a> {
    /// The service, `namespace/name:port`.
    pub service: Cow<'a, str>,
    /// The chains in order, joined by ` > `.
    pub rule: Cow<'a, str>,
    /// How the client reached the service.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub portal: Option<Cow<'a, str>>,
    /// Why the rules refused the connection.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub refusal: Option<Cow<'a, str>>,
}

/// The path of one message.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryPath<'a> {
    /// `connect`, `request` or `response`.
    pub name: Cow<'a, str>,
    /// Nanoseconds from the summary's start.
    pub start_ns: u64,
    /// Its length.
    pub duration_ns: u64,
    /// Its hops: each begins where the one before it ends.
    pub hops: Vec<SummaryHop<'a>>,
}

/// A hop of a path.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SummaryHop<'a> {
    /// The hop's name.
    pub name: Cow<'a, str>,
    /// Its device.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub interface: Option<Cow<'a, str>>,
    /// Its length.
    pub duration_ns: u64,
}

impl Summary<'_> {
    /// Whether it failed: `error.type`, an HTTP status from 400, or a packet that was dropped so that
    /// no response came.
    pub fn is_error(&self) -> bool {
        let has_failed = self.error.is_some() || self.grpc_status.is_some_and(|status| status != 0);
        let is_lost = self.status.is_none() && self.drop.is_some();
        has_failed || is_lost || self.status.is_some_and(|status| status >= 400)
    }

    /// The longest hop of this node's data plane, with the name of its path: not `wire` and `body`,
    /// which are not its.
    pub fn worst_hop(&self) -> Option<(&str, &SummaryHop<'_>)> {
        let paths = self.paths.iter();
        let hops = paths.flat_map(|path| path.hops.iter().map(|hop| (&*path.name, hop)));
        let own = hops.filter(|(_, hop)| !is_elsewhere(&hop.name));
        own.max_by_key(|(_, hop)| hop.duration_ns)
    }
}

/// Whether a hop of this name is no part of a node's data plane.
pub fn is_elsewhere(hop: &str) -> bool {
    use tracer_semconv::HopName;
    [HopName::Wire, HopName::Body]
        .iter()
        .any(|name| name.as_str() == hop)
}

fn is_zero(number: &u32) -> bool {
    *number == 0
}
