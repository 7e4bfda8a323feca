//! One trace as a collector received it. In: spans. Out: a selection of them, or a failed assertion
//! when they are not those of a dispatch.

use std::collections::{BTreeMap, BTreeSet};

use opentelemetry_proto::tonic::trace::v1::span::SpanKind;
use opentelemetry_proto::tonic::trace::v1::status::StatusCode;

use super::app::pod_of;
use super::collector::Span;

/// The name of the gRPC call's spans.
pub(crate) const FIND_NEAREST: &str = "driver.DriverService/FindNearest";

/// How many spans of each (service, kind, name) a dispatch that finds a driver makes.
const DISPATCH: [(&str, SpanKind, &str, usize); 8] = [
    ("client", SpanKind::Client, "GET /dispatch", 1),
    ("frontend", SpanKind::Server, "GET /dispatch", 1),
    ("frontend", SpanKind::Client, "GET /customer", 1),
    ("customer", SpanKind::Server, "GET /customer", 1),
    ("frontend", SpanKind::Client, FIND_NEAREST, 1),
    ("driver", SpanKind::Server, FIND_NEAREST, 1),
    ("frontend", SpanKind::Client, "GET /route", 10),
    ("route", SpanKind::Server, "GET /route", 10),
];

/// The spans of one trace.
pub(crate) struct Trace(pub(crate) Vec<Span>);

impl Trace {
    /// The spans of the trace `trace_id`.
    pub(crate) fn of(spans: &[Span], trace_id: &str) -> Self {
        Self(
            spans
                .iter()
                .filter(|span| span.trace_id == trace_id)
                .cloned()
                .collect(),
        )
    }

    /// The spans of one service, kind and name.
    pub(crate) fn select(&self, service: &str, kind: SpanKind, name: &str) -> Vec<&Span> {
        let is_selected =
            |span: &&Span| span.service() == service && span.kind == kind && span.name == name;
        self.0.iter().filter(is_selected).collect()
    }

    /// The local ports of the selected spans: one for each connection.
    pub(crate) fn local_ports(&self, service: &str, kind: SpanKind, name: &str) -> BTreeSet<&str> {
        let spans = self.select(service, kind, name);
        spans
            .iter()
            .map(|span| span.attribute("network.local.port"))
            .collect()
    }

    /// Asserts that these are the spans of one dispatch and no others, in one tree, without a
    /// failure.
    pub(crate) fn assert_is_a_dispatch(&self) {
        for (service, kind, name, count) in DISPATCH {
            assert_eq!(
                self.select(service, kind, name).len(),
                count,
                "{service} {kind:?} {name}"
            );
        }
        assert_eq!(self.0.len(), 26);
        let by_id: BTreeMap<&str, &Span> =
            self.0.iter().map(|span| (&*span.span_id, span)).collect();
        assert_eq!(by_id.len(), 26, "span ids are not unique");
        for span in &self.0 {
            assert_eq!(span.status, StatusCode::Unset, "{span:#?}");
            if span.service() == "client" {
                assert_eq!(span.parent_id, "", "the client's span is the root");
                continue;
            }
            let parent = by_id[&*span.parent_id];
            assert!(
                parent.start_ns <= span.start_ns && span.end_ns <= parent.end_ns,
                "{span:#?} in {parent:#?}"
            );
            match span.kind {
                SpanKind::Server => {
                    assert_eq!((parent.kind, &parent.name), (SpanKind::Client, &span.name));
                }
                _ => assert_eq!(
                    (parent.kind, parent.service()),
                    (SpanKind::Server, "frontend")
                ),
            }
        }
        for server in self.0.iter().filter(|span| span.kind == SpanKind::Server) {
            self.assert_same_connection(by_id[&*server.parent_id], server);
        }
    }

    /// Asserts that both spans of a call have the same addresses, and that the client's names the
    /// pod that answered.
    fn assert_same_connection(&self, client: &Span, server: &Span) {
        let ends = |span: &Span, local: &str, peer: &str| {
            [
                format!("{local}.address"),
                format!("{local}.port"),
                format!("{peer}.address"),
                format!("{peer}.port"),
            ]
            .map(|name| span.attribute(&name).to_owned())
        };
        assert_eq!(
            ends(client, "network.local", "network.peer"),
            ends(server, "network.peer", "network.local")
        );
        assert_eq!(
            client.attribute("hotrod.answered_by"),
            server.resource["k8s.pod.name"]
        );
        assert_eq!(
            client.attribute("hotrod.answered_by"),
            pod_of(server.service())
        );
        assert_eq!(client.attribute("server.address"), "127.0.0.1");
    }

    /// Asserts the attributes that the semantic conventions require of HTTP and gRPC spans, for
    /// dispatches to customer 123.
    pub(crate) fn assert_attributes(&self) {
        for (kind, service, name, expected) in [
            (
                SpanKind::Client,
                "frontend",
                "GET /customer",
                "/customer?customer=123",
            ),
            (
                SpanKind::Client,
                "client",
                "GET /dispatch",
                "/dispatch?customer=123",
            ),
        ] {
            for span in self.select(service, kind, name) {
                let authority = format!(
                    "{}:{}",
                    span.attribute("server.address"),
                    span.attribute("server.port")
                );
                assert_eq!(
                    span.attribute("url.full"),
                    format!("http://{authority}{expected}")
                );
                assert_eq!(span.attribute("http.request.method"), "GET");
                assert_eq!(span.attribute("http.response.status_code"), "200");
            }
        }
        for span in self.select("route", SpanKind::Server, "GET /route") {
            assert_eq!(span.attribute("http.route"), "/route");
            assert_eq!(span.attribute("url.path"), "/route");
            let query = span.attribute("url.query");
            assert!(
                query.starts_with("pickup=") && query.ends_with("&dropoff=115%2C277"),
                "{query}"
            );
        }
        for (service, kind) in [("frontend", SpanKind::Client), ("driver", SpanKind::Server)] {
            for span in self.select(service, kind, FIND_NEAREST) {
                assert_eq!(span.attribute("rpc.system"), "grpc");
                assert_eq!(span.attribute("rpc.service"), "driver.DriverService");
                assert_eq!(span.attribute("rpc.method"), "FindNearest");
                assert_eq!(span.attribute("rpc.grpc.status_code"), "0");
            }
        }
    }
}
