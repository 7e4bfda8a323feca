//! What the spans of one exchange must say. In: what a program says of its own request. Out: a
//! failed test where hopspan says otherwise.

use std::{
    net::{Ipv4Addr, SocketAddr},
    sync::atomic::{AtomicU64, Ordering},
};

use hopspan_e2e::{Span, Trace, Traces, assert_partition};
use hopspan_lab::kube_proxy::{Service, endpoint_chain, service_chain};

/// The span that a request says it comes from: one that nobody exports.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Parent {
    pub(crate) trace_id: String,
    pub(crate) span_id: String,
}

impl Parent {
    /// One that no other request has.
    pub(crate) fn new() -> Self {
        static NEXT: AtomicU64 = AtomicU64::new(1);
        let number = NEXT.fetch_add(1, Ordering::Relaxed);
        Self {
            trace_id: format!("5eed{number:028x}"),
            span_id: format!("ca11{number:012x}"),
        }
    }

    /// As a header's value (W3C Trace Context level 1), sampled.
    pub(crate) fn traceparent(&self) -> String {
        format!("00-{}-{}-01", self.trace_id, self.span_id)
    }

    /// The trace that it began.
    pub(crate) fn trace<'t>(&self, traces: &'t Traces) -> &'t Trace {
        traces
            .0
            .get(&self.trace_id)
            .unwrap_or_else(|| panic!("no span of {self:?}"))
    }

    /// All exchanges of its trace, in the order of their start. It is the parent of each.
    pub(crate) fn exchanges<'t>(&self, traces: &'t Traces) -> Vec<&'t Span> {
        let mut exchanges: Vec<&Span> = self.trace(traces).of_role("exchange").collect();
        exchanges.sort_by_key(|span| span.start_ns);
        for exchange in &exchanges {
            assert_eq!(exchange.parent_id, self.span_id, "{exchange:?}");
        }
        exchanges
    }
}

/// What one exchange must be.
pub(crate) struct Wanted<'a> {
    /// `network.protocol.version`.
    pub(crate) version: &'a str,
    /// `url.path`.
    pub(crate) path: &'a str,
    /// `http.response.status_code`.
    pub(crate) status: &'a str,
    /// Who sends the request.
    pub(crate) source: Ipv4Addr,
    /// Where to.
    pub(crate) service: &'a Service,
    /// Which pod the rules chose.
    pub(crate) endpoint: SocketAddr,
    /// Whether the exchange waited for a new connection.
    pub(crate) connected: bool,
}

impl Wanted<'_> {
    /// Checks an exchange and everything below it.
    pub(crate) fn assert(&self, trace: &Trace, exchange: &Span) {
        let chains = format!(
            "KUBE-SERVICES > {} > {}",
            service_chain(self.service),
            endpoint_chain(self.service, self.endpoint)
        );
        for (key, wanted) in [
            ("hopspan.incomplete", ""),
            ("http.request.method", "GET"),
            ("network.protocol.version", self.version),
            ("url.path", self.path),
            ("http.response.status_code", self.status),
            ("source.address", &self.source.to_string()),
            ("destination.address", &self.endpoint.ip().to_string()),
            ("destination.port", &self.endpoint.port().to_string()),
            ("hopspan.nat.original", &self.service.address().to_string()),
            ("hopspan.nat.translated", &self.endpoint.to_string()),
            ("hopspan.nat.masquerade", ""),
            ("hopspan.kube_proxy.rule", &chains),
        ] {
            assert_eq!(exchange.attribute(key), wanted, "{key} of {exchange:#?}");
        }
        assert_legs(trace, exchange, self.connected);
    }
}

/// One request, one response, and a connect where there was one; all complete, all within.
pub(crate) fn assert_legs(trace: &Trace, exchange: &Span, connected: bool) {
    for (role, count) in [
        ("connect", usize::from(connected)),
        ("request", 1),
        ("response", 1),
    ] {
        let legs = trace.children_of_role(exchange, role);
        assert_eq!(legs.len(), count, "{role} spans under {exchange:#?}");
        for leg in legs {
            assert_eq!(leg.attribute("hopspan.incomplete"), "", "{leg:#?}");
            assert!(
                leg.is_within(exchange),
                "{leg:#?} is not within {exchange:#?}"
            );
            assert_partition(trace, leg);
        }
    }
}
