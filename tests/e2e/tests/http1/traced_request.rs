//! A request with a trace context of its own, and the check of its exchange.

use hopspan_e2e::{Parent, Traces, assert_legs, http1};

/// A request, and the status of its answer.
pub(crate) struct TracedRequest {
    pub(crate) parent: Parent,
    method: &'static str,
    target: String,
    /// `url.path`.
    path: String,
    status: &'static str,
    version: &'static str,
}

impl TracedRequest {
    /// A request of HTTP/1.1.
    pub(crate) fn new(method: &'static str, path: impl Into<String>, status: &'static str) -> Self {
        let path = path.into();
        Self {
            parent: Parent::new(),
            method,
            target: path.clone(),
            path,
            status,
            version: "1.1",
        }
    }

    /// A CONNECT request for a tunnel to an authority, which has no path (RFC 9110 section 9.3.6).
    pub(crate) fn tunnel(authority: &str) -> Self {
        Self {
            target: authority.to_owned(),
            path: String::new(),
            ..Self::new("CONNECT", "", "200")
        }
    }

    /// The same in HTTP/1.0.
    pub(crate) fn in_http10(self) -> Self {
        Self {
            version: "1.0",
            ..self
        }
    }

    /// The head with more header lines, each of which ends with CR LF.
    pub(crate) fn head(&self, lines: &str) -> String {
        let Self {
            method,
            target,
            version,
            ..
        } = self;
        let traceparent = http1::traceparent(&self.parent);
        format!("{method} {target} HTTP/{version}\r\nHost: server\r\n{lines}{traceparent}\r\n")
    }

    /// Checks that the request has one complete exchange, which opened the connection or not.
    pub(crate) fn assert(&self, traces: &Traces, connected: bool) {
        let exchange = &self.parent.exchange(traces);
        exchange.assert_attributes(&[
            ("http.request.method", self.method),
            ("url.path", &*self.path),
            ("http.response.status_code", self.status),
            ("network.protocol.version", self.version),
            ("hopspan.incomplete", ""),
            ("error.type", ""),
        ]);
        assert_legs(self.parent.trace(traces), exchange, connected);
    }
}
