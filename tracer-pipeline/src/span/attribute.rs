//! Attribute names and values.

use std::{borrow::Cow, sync::Arc};

/// The names that are hopspan's own; the others are OpenTelemetry's semantic conventions.
pub(super) mod key {
    /// `exchange`, `connect`, `request`, `response`, `hop`.
    pub(crate) const ROLE: &str = "hopspan.role";
    /// The hop's name.
    pub(crate) const HOP: &str = "hopspan.hop";
    /// Where the client sent to, before DNAT.
    pub(crate) const NAT_ORIGINAL: &str = "hopspan.nat.original";
    /// Where it went, after DNAT.
    pub(crate) const NAT_TRANSLATED: &str = "hopspan.nat.translated";
    /// The source after SNAT, where it was changed.
    pub(crate) const NAT_MASQUERADE: &str = "hopspan.nat.masquerade";
    /// kube-proxy's chains that chose the pod.
    pub(crate) const KUBE_PROXY_RULE: &str = "hopspan.kube_proxy.rule";
    /// The service those chains belong to, `namespace/name:port`.
    pub(crate) const KUBE_PROXY_SERVICE: &str = "hopspan.kube_proxy.service";
    /// How the service was reached: `ClusterIP`, `NodePort`, `LoadBalancer`, `ExternalIP`.
    pub(crate) const KUBE_PROXY_PORTAL: &str = "hopspan.kube_proxy.portal";
    /// Why the connection was marked for masquerade, or `no`.
    pub(crate) const KUBE_PROXY_MASQUERADE: &str = "hopspan.kube_proxy.masquerade";
    /// `ClientIP` where a client returns to the endpoint that it had.
    pub(crate) const KUBE_PROXY_SESSION_AFFINITY: &str = "hopspan.kube_proxy.session_affinity";
    /// `Local` where only this node's endpoints were to choose from.
    pub(crate) const KUBE_PROXY_TRAFFIC_POLICY: &str = "hopspan.kube_proxy.traffic_policy";
    /// Why the rules lead nowhere: `no endpoints`, `no local endpoints`, `source not allowed`.
    pub(crate) const KUBE_PROXY_REFUSAL: &str = "hopspan.kube_proxy.refusal";
    /// How a connect that failed was found to belong to a request: `inferred`, or `ambiguous` where it
    /// was not.
    pub(crate) const CORRELATION: &str = "hopspan.correlation";
    /// The process that connected, by its number in the machine's own PID namespace.
    pub(crate) const SOURCE_PID: &str = "hopspan.source.process.pid";
    /// The service has no address of its own: its clients ask DNS for pods.
    pub(crate) const SERVICE_HEADLESS: &str = "hopspan.service.headless";
    /// Packets of this message that were sent in vain.
    pub(crate) const TCP_RETRANSMITS: &str = "hopspan.tcp.retransmits";
    /// Why the kernel dropped it: the name in `enum skb_drop_reason`, without `SKB_DROP_REASON_`.
    pub(crate) const DROP_REASON: &str = "hopspan.drop.reason";
    /// The hop in which it was dropped.
    pub(crate) const DROP_HOP: &str = "hopspan.drop.hop";
    /// Who has dropped it, where that is known and no rule: `conntrack`.
    pub(crate) const DROP_BY: &str = "hopspan.drop.by";
    /// What of the message was sent again: `SYN`, `SYN-ACK`, `request`, `response`, `HEADERS`.
    pub(crate) const TCP_PACKET: &str = "hopspan.tcp.packet";
    /// Whose receive window was zero: `client`, `server`.
    pub(crate) const WINDOW_OF: &str = "hopspan.tcp.window_of";
    /// For how long it was, nanoseconds.
    pub(crate) const WINDOW_CLOSED_NS: &str = "hopspan.tcp.zero_window_ns";
    /// Who ended the connection while an answer was expected: `client`, `server`.
    pub(crate) const CLOSED_BY: &str = "hopspan.closed_by";
    /// Which side of the exchange was on this node, where the other was not: `client`, `server`.
    pub(crate) const HALF: &str = "hopspan.half";
    /// What of this span was not seen.
    pub(crate) const INCOMPLETE: &str = "hopspan.incomplete";
    /// Exchanges of the same services that were left out since the last that was not.
    pub(crate) const SHED: &str = "hopspan.shed";
    /// Of a hop that is an event: how long it took. All durations are nanoseconds.
    pub(crate) const DURATION_NS: &str = "hopspan.duration_ns";
    /// Hops that have neither spans nor events, in order, with their devices and nanoseconds.
    pub(crate) const HOPS: &str = "hopspan.hops";
    /// The same of the connect of an exchange whose paths have no spans; and how long it took.
    pub(crate) const CONNECT_HOPS: &str = "hopspan.connect.hops";
    pub(crate) const CONNECT_DURATION_NS: &str = "hopspan.connect.duration_ns";
    /// Of its request.
    pub(crate) const REQUEST_HOPS: &str = "hopspan.request.hops";
    pub(crate) const REQUEST_DURATION_NS: &str = "hopspan.request.duration_ns";
    /// Of its response.
    pub(crate) const RESPONSE_HOPS: &str = "hopspan.response.hops";
    pub(crate) const RESPONSE_DURATION_NS: &str = "hopspan.response.duration_ns";
    /// From the server's reading of the request until it sent the response.
    pub(crate) const SERVER_DURATION_NS: &str = "hopspan.server.duration_ns";
}

/// The value of an attribute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Value {
    /// A string.
    Text(Cow<'static, str>),
    /// A string that many spans have.
    Shared(Arc<str>),
    /// A number.
    Int(i64),
    /// Yes or no.
    Bool(bool),
}

/// A name and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Attribute {
    /// The name.
    pub key: &'static str,
    /// The value.
    pub value: Value,
}

impl Attribute {
    /// A string.
    pub fn text(key: &'static str, value: impl Into<Cow<'static, str>>) -> Self {
        Self {
            key,
            value: Value::Text(value.into()),
        }
    }

    /// A string that many spans have.
    pub fn shared(key: &'static str, value: &Arc<str>) -> Self {
        Self {
            key,
            value: Value::Shared(Arc::clone(value)),
        }
    }

    /// Yes or no.
    pub fn bool(key: &'static str, value: bool) -> Self {
        Self {
            key,
            value: Value::Bool(value),
        }
    }

    /// Nanoseconds.
    pub fn duration(key: &'static str, duration_ns: u64) -> Self {
        Self::int(key, i64::try_from(duration_ns).unwrap_or(i64::MAX))
    }

    /// A number.
    pub fn int(key: &'static str, value: impl Into<i64>) -> Self {
        Self {
            key,
            value: Value::Int(value.into()),
        }
    }
}
