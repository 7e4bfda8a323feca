//! The expected attributes of an exchange. In: what a program reports of its own request. Out: a
//! failed test where the spans differ.

use std::net::{Ipv4Addr, SocketAddr};

use hopspan_e2e::{Exchange, Trace, assert_legs};
use hopspan_lab::kube_proxy::{Service, endpoint_chain, service_chain};

/// The expected attributes of one exchange.
pub(crate) struct ExpectedExchange<'a> {
    /// `network.protocol.version`.
    pub(crate) version: &'a str,
    /// `url.path`.
    pub(crate) path: &'a str,
    /// `http.response.status_code`.
    pub(crate) status: &'a str,
    /// The address of the client.
    pub(crate) source: Ipv4Addr,
    /// The service that the client connects to.
    pub(crate) service: &'a Service,
    /// The pod that the rules chose.
    pub(crate) endpoint: SocketAddr,
    /// Whether the exchange waited for a new connection.
    pub(crate) connected: bool,
}

impl ExpectedExchange<'_> {
    /// Checks an exchange of GET and everything below it.
    pub(crate) fn assert(&self, trace: &Trace, exchange: &Exchange<'_>) {
        self.assert_method("GET", trace, exchange);
    }

    /// Checks an exchange of another method.
    pub(crate) fn assert_method(&self, method: &str, trace: &Trace, exchange: &Exchange<'_>) {
        let chains = format!(
            "KUBE-SERVICES > {} > {}",
            service_chain(self.service),
            endpoint_chain(self.service, self.endpoint)
        );
        exchange.assert_attributes(&[
            ("hopspan.incomplete", ""),
            ("http.request.method", method),
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
        ]);
        assert_legs(trace, exchange, self.connected);
    }
}
