//! The fields of OTLP that are needed to count spans.
//!
//! In: an `ExportTraceServiceRequest` (opentelemetry-proto, collector/trace/v1). Out: numbers.
//! Other fields are skipped, not decoded, and decoded bytes share the memory of the body.

use bytes::Bytes;
use prost::Message;

/// The instrumentation scope of hopspan's spans.
const SCOPE: &[u8] = tracer_semconv::scope::NAME.as_bytes();
/// The attribute of the span that each exchange has once on a node: that of its request.
const ROLE: (&[u8], &[u8]) = (
    tracer_semconv::attribute::ROLE.as_bytes(),
    tracer_semconv::Role::Request.as_str().as_bytes(),
);

/// Counts of everything received.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize)]
pub(super) struct Totals {
    /// Export requests.
    requests: u64,
    /// Export requests with at least one span of hopspan.
    hopspan_requests: u64,
    /// Bytes of the bodies of these.
    hopspan_bytes: u64,
    /// All spans.
    spans: u64,
    /// Spans of hopspan.
    hopspan_spans: u64,
    /// Exchanges of hopspan, by the spans of their requests.
    exchanges: u64,
    /// Connections that ended with a request that is no OTLP.
    pub(super) refused: u64,
}

/// Counts of one request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Batch {
    bytes: u64,
    spans: u64,
    hopspan_spans: u64,
    exchanges: u64,
}

impl Totals {
    pub(super) fn add(&mut self, batch: &Batch) {
        self.requests += 1;
        self.spans += batch.spans;
        if batch.hopspan_spans > 0 {
            self.hopspan_requests += 1;
            self.hopspan_bytes += batch.bytes;
            self.hopspan_spans += batch.hopspan_spans;
            self.exchanges += batch.exchanges;
        }
    }
}

#[derive(Message)]
struct Export {
    #[prost(message, repeated, tag = "1")]
    resources: Vec<ResourceSpans>,
}

#[derive(Message)]
struct ResourceSpans {
    #[prost(message, repeated, tag = "2")]
    scopes: Vec<ScopeSpans>,
}

#[derive(Message)]
struct ScopeSpans {
    #[prost(message, optional, tag = "1")]
    scope: Option<Scope>,
    #[prost(bytes = "bytes", repeated, tag = "2")]
    spans: Vec<Bytes>,
}

#[derive(Message)]
struct Scope {
    #[prost(bytes = "bytes", tag = "1")]
    name: Bytes,
}

#[derive(Message)]
struct Span {
    #[prost(message, repeated, tag = "9")]
    attributes: Vec<Attribute>,
}

#[derive(Message)]
struct Attribute {
    #[prost(bytes = "bytes", tag = "1")]
    key: Bytes,
    #[prost(message, optional, tag = "2")]
    value: Option<AnyValue>,
}

#[derive(Message)]
struct AnyValue {
    /// The string; other types of values are skipped.
    #[prost(bytes = "bytes", tag = "1")]
    text: Bytes,
}

/// Counts the spans of a request.
///
/// # Errors
/// When the body is no such message.
pub(super) fn count(body: Bytes) -> Result<Batch, prost::DecodeError> {
    let mut batch = Batch {
        bytes: body.len() as u64,
        spans: 0,
        hopspan_spans: 0,
        exchanges: 0,
    };
    let export = Export::decode(body)?;
    for scope in export.resources.into_iter().flat_map(|of| of.scopes) {
        let spans = scope.spans.len() as u64;
        batch.spans += spans;
        if scope.scope.is_some_and(|scope| scope.name == SCOPE) {
            batch.hopspan_spans += spans;
            for span in scope.spans {
                batch.exchanges += u64::from(is_request(&Span::decode(span)?));
            }
        }
    }
    Ok(batch)
}

fn is_request(span: &Span) -> bool {
    let (key, value) = ROLE;
    span.attributes.iter().any(|attribute| {
        attribute.key == key && attribute.value.as_ref().is_some_and(|of| of.text == value)
    })
}

#[cfg(test)]
mod tests {
    use opentelemetry_proto::tonic::{
        collector::trace::v1::ExportTraceServiceRequest,
        common::v1::{AnyValue as ProtoValue, InstrumentationScope, KeyValue, any_value::Value},
        trace::v1::{ResourceSpans as ProtoResource, ScopeSpans as ProtoScope, Span as ProtoSpan},
    };

    use super::*;

    fn span(role: &str) -> ProtoSpan {
        let attribute = |key: &str, value| KeyValue {
            key: key.to_owned(),
            value: Some(ProtoValue { value: Some(value) }),
            ..Default::default()
        };
        ProtoSpan {
            name: "GET".to_owned(),
            trace_id: vec![1; 16],
            attributes: vec![
                attribute("http.response.status_code", Value::IntValue(200)),
                attribute("hopspan.role", Value::StringValue(role.to_owned())),
            ],
            ..Default::default()
        }
    }

    fn request(scope: &str, roles: &[&str]) -> ExportTraceServiceRequest {
        ExportTraceServiceRequest {
            resource_spans: vec![ProtoResource {
                scope_spans: vec![ProtoScope {
                    scope: Some(InstrumentationScope {
                        name: scope.to_owned(),
                        ..Default::default()
                    }),
                    spans: roles.iter().map(|role| span(role)).collect(),
                    ..Default::default()
                }],
                ..Default::default()
            }],
        }
    }

    #[test]
    fn real_requests_are_counted() {
        let mut totals = Totals::default();
        let ours = request("hopspan", &["connect", "request", "hop", "response"]).encode_to_vec();
        let theirs = request("hotrod", &["request"]).encode_to_vec();
        let bytes = ours.len() as u64;
        for body in [ours, theirs] {
            totals.add(&count(Bytes::from(body)).unwrap());
        }
        let expected = Totals {
            requests: 2,
            hopspan_requests: 1,
            hopspan_bytes: bytes,
            spans: 5,
            hopspan_spans: 4,
            exchanges: 1,
            refused: 0,
        };
        assert_eq!(totals, expected);
    }

    #[test]
    fn a_request_that_is_cut_is_refused_or_counts_no_more() {
        let whole = request("hopspan", &["request", "hop"]).encode_to_vec();
        for end in 0..whole.len() {
            if let Ok(batch) = count(Bytes::copy_from_slice(&whole[..end])) {
                assert!(batch.spans <= 2, "{batch:?}");
            }
        }
    }
}
