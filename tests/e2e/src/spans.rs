//! Spans as the viewer received them.

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::Path,
};

use anyhow::{Context, Result};
use opentelemetry_proto::tonic::{
    collector::trace::v1::ExportTraceServiceRequest,
    common::v1::{AnyValue, KeyValue, any_value},
};
use tracer_semconv::attribute;
use tracer_view::merge::merge_requests;

/// A span, with the attributes of its resource and the name of its scope.
#[derive(Clone, Debug, Default)]
pub struct Span {
    /// 32 lower-case hexadecimal digits.
    pub trace_id: String,
    /// 16 lower-case hexadecimal digits.
    pub span_id: String,
    /// 16 lower-case hexadecimal digits; empty for a root.
    pub parent_id: String,
    /// Its name.
    pub name: String,
    /// OTLP's number of the span kind: 1 internal, 2 server, 3 client.
    pub kind: i32,
    /// Nanoseconds since 1970.
    pub start_ns: u64,
    /// Nanoseconds since 1970.
    pub end_ns: u64,
    /// The span's attributes, as text.
    pub attributes: BTreeMap<String, String>,
    /// The resource's attributes, as text.
    pub resource: BTreeMap<String, String>,
    /// The name of the instrumentation scope.
    pub scope: String,
    /// The names of its events.
    pub events: Vec<String>,
    /// The trace id and the span id of each of its links.
    pub links: Vec<(String, String)>,
    /// The attributes of each of its events, as text.
    pub event_attributes: Vec<BTreeMap<String, String>>,
    /// OTLP's number of the status, see [`Span::is_error`].
    pub status: i32,
}

impl Span {
    /// An attribute, or the empty string.
    pub fn attribute(&self, key: &str) -> &str {
        self.attributes.get(key).map_or("", String::as_str)
    }

    /// `hopspan.role`; empty for a span of the application.
    pub fn role(&self) -> &str {
        self.attribute(attribute::ROLE)
    }

    /// Whether its status is an error.
    pub fn is_error(&self) -> bool {
        /// OTLP's STATUS_CODE_ERROR.
        const ERROR: i32 = 2;
        self.status == ERROR
    }

    /// Checks attributes; an empty value stands for none.
    ///
    /// # Panics
    /// When one differs.
    pub fn assert_attributes(&self, expected: &[(&str, &str)]) {
        for (key, value) in expected {
            assert_eq!(self.attribute(key), *value, "{key} of {self:#?}");
        }
    }

    /// Its length in nanoseconds; of one of no length that, not the microsecond that it is sent
    /// with.
    pub fn duration_ns(&self) -> u64 {
        let short = self.attribute(attribute::DURATION_NS).parse();
        short.unwrap_or_else(|_| self.end_ns.saturating_sub(self.start_ns))
    }

    /// Checks that it lies within another span.
    ///
    /// # Panics
    /// When it does not.
    pub fn assert_within(&self, outer: &Self) {
        assert!(self.is_within(outer), "{self:#?} is not within {outer:#?}");
    }

    /// Whether it lies within another span.
    pub fn is_within(&self, outer: &Self) -> bool {
        outer.start_ns <= self.start_ns && self.end_ns <= outer.end_ns
    }
}

/// The spans of one trace.
#[derive(Clone, Debug, Default)]
pub struct Trace {
    /// In the order of arrival.
    pub spans: Vec<Span>,
}

impl Trace {
    /// The spans below a span, in the order of their start.
    pub fn children(&self, parent: &Span) -> Vec<&Span> {
        let mut children: Vec<&Span> = self
            .spans
            .iter()
            .filter(|span| span.parent_id == parent.span_id)
            .collect();
        children.sort_by_key(|span| (span.start_ns, span.end_ns));
        children
    }

    /// The spans of one `hopspan.role`.
    pub fn of_role(&self, role: &str) -> impl Iterator<Item = &Span> {
        self.spans.iter().filter(move |span| span.role() == role)
    }

    /// The children of one role.
    pub fn children_of_role(&self, parent: &Span, role: &str) -> Vec<&Span> {
        let mut children = self.children(parent);
        children.retain(|span| span.role() == role);
        children
    }

    /// The application's client spans, of HTTP and of gRPC.
    pub fn calls(&self) -> impl Iterator<Item = &Span> {
        const CLIENT: i32 = 3;
        self.spans.iter().filter(|span| span.kind == CLIENT)
    }
}

/// All traces that the viewer received.
#[derive(Clone, Debug, Default)]
pub struct Traces(pub HashMap<String, Trace>);

impl Traces {
    /// Reads what `hopspan view --json` wrote: an ExportTraceServiceRequest on each line.
    ///
    /// # Errors
    /// When the file is not there, or a line is no such request.
    pub fn read(path: &Path) -> Result<Self> {
        Ok(Self::of(read_requests(path)?))
    }

    /// The same, with the halves of exchanges between nodes merged as the viewer merges them.
    ///
    /// # Errors
    /// As [`Traces::read`].
    pub fn read_merged(path: &Path) -> Result<Self> {
        Ok(Self::of(merge_requests(&read_requests(path)?)))
    }

    fn of(requests: Vec<ExportTraceServiceRequest>) -> Self {
        let mut traces = Self::default();
        requests.into_iter().for_each(|request| traces.add(request));
        traces
    }

    /// The number of spans in all traces.
    pub fn spans(&self) -> usize {
        self.0.values().map(|trace| trace.spans.len()).sum()
    }

    fn add(&mut self, request: ExportTraceServiceRequest) {
        for resource_spans in request.resource_spans {
            let resource = resource_spans.resource.unwrap_or_default();
            let resource = texts(&resource.attributes);
            for scope_spans in resource_spans.scope_spans {
                let scope = scope_spans.scope.unwrap_or_default().name;
                for span in scope_spans.spans {
                    let span = Span {
                        trace_id: hex(&span.trace_id),
                        span_id: hex(&span.span_id),
                        parent_id: hex(&span.parent_span_id),
                        name: span.name,
                        kind: span.kind,
                        start_ns: span.start_time_unix_nano,
                        end_ns: span.end_time_unix_nano,
                        attributes: texts(&span.attributes),
                        resource: resource.clone(),
                        scope: scope.clone(),
                        event_attributes: span
                            .events
                            .iter()
                            .map(|event| texts(&event.attributes))
                            .collect(),
                        events: span.events.into_iter().map(|event| event.name).collect(),
                        links: span
                            .links
                            .iter()
                            .map(|link| (hex(&link.trace_id), hex(&link.span_id)))
                            .collect(),
                        status: span.status.map_or(0, |status| status.code),
                    };
                    let trace = self.0.entry(span.trace_id.clone()).or_default();
                    trace.spans.push(span);
                }
            }
        }
    }
}

fn read_requests(path: &Path) -> Result<Vec<ExportTraceServiceRequest>> {
    let text = fs::read_to_string(path).with_context(|| format!("read {}", path.display()))?;
    let requests = text.lines().map(serde_json::from_str);
    let requests = requests.collect::<Result<_, _>>();
    requests.with_context(|| format!("{} is not OTLP/JSON", path.display()))
}

fn texts(attributes: &[KeyValue]) -> BTreeMap<String, String> {
    attributes
        .iter()
        .map(|attribute| (attribute.key.clone(), text(attribute.value.as_ref())))
        .collect()
}

fn text(value: Option<&AnyValue>) -> String {
    match value.and_then(|value| value.value.as_ref()) {
        Some(any_value::Value::StringValue(text)) => text.clone(),
        Some(any_value::Value::IntValue(number)) => number.to_string(),
        Some(any_value::Value::BoolValue(truth)) => truth.to_string(),
        Some(any_value::Value::DoubleValue(number)) => number.to_string(),
        _ => String::new(),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
