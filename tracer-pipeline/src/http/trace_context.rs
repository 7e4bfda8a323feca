//! Finds the trace that a message belongs to. In: header fields, name and value. Out:
//! [`Extraction`].
//!
//! Reads the formats below and no framing, so that HTTP/1 and HTTP/2 heads share it. Stores the
//! ids, the flags and `tracestate`, and nothing else of a value; only `tracestate` is allocated. Of
//! all other headers it compares only the name. Header names come from
//! [`trace_header`](tracer_common::trace_header), the list that the kernel's scan and the HTTP/2
//! field filter share.
//!
//! # Formats
//!
//! In the order of their precedence:
//!
//! | format | headers | trace id | caller's span | sampled | digits | sent twice |
//! |---|---|---|---|---|---|---|
//! | [W3C Trace Context][w3c] level 2 | `traceparent` | 32 digits | `parent-id`, 16 digits | lowest bit of `trace-flags` | lower case | malformed |
//! | [B3][b3], single header | `b3` | 16 or 32 digits | second part, 16 digits | third part: `1`, `d` | lower case | the first |
//! | [B3][b3], multiple headers | `x-b3-traceid`, `x-b3-spanid`, `x-b3-sampled`, `x-b3-flags` | 16 or 32 digits | `x-b3-spanid`, 16 digits | `x-b3-sampled: 1` or `true`, `x-b3-flags: 1` | lower case | the first |
//! | [Jaeger][jaeger] | `uber-trace-id` | 1 to 32 digits | second part, 1 to 16 digits | lowest bit of the flags | any case | the first |
//! | [AWS X-Ray][x-ray] | `x-amzn-trace-id` | `Root`, 8 and 24 digits | `Parent`, 16 digits | `Sampled`: `1` | lower case | the first |
//!
//! Digits are hexadecimal. A trace id of fewer than 32 is padded with zeros on the left, as
//! OpenTelemetry's propagators do, which makes it the id under which the backend files the trace.
//! An id that is all zero is malformed. Header names are compared without case, and white space
//! around a value is dropped.
//!
//! # Precedence
//!
//! A caller that sends several formats mostly sends the same context in each. Where they differ, a
//! proxy on the way understood only one of them, and the best guess is the format that the server
//! will follow:
//!
//! 1. W3C Trace Context, which OpenTelemetry reads by default.
//! 2. B3, where the single header precedes the others: both [B3][b3] and
//!    [OpenTelemetry][propagators] require that.
//! 3. Jaeger, whose clients are retired and whose format OpenTelemetry
//!    [deprecates](https://github.com/open-telemetry/opentelemetry-specification/pull/4827).
//! 4. X-Ray, because load balancers and gateways of AWS add its header to requests on their own,
//!    whatever the format of the applications.
//!
//! OpenTelemetry itself leaves the order between formats to the
//! [configuration](https://github.com/open-telemetry/opentelemetry-specification/issues/496) of
//! each application, which is not in a header.
//!
//! A *malformed* header gives way to the next format. W3C requires that an invalid `traceparent` is
//! ignored, OpenTelemetry requires of every propagator that an unparsable header leaves the value
//! that another propagator found, and Zipkin's and OpenTelemetry's B3 readers go on to the multiple
//! headers. [`Extraction::Malformed`] therefore means that no format was valid. A *valid* context
//! that is not sampled does not give way: it is the result, and nothing is exported.
//!
//! # Sampling
//!
//! Every exported span is a descendant of the caller's span, so a context counts as sampled only if
//! its sender decided to record that span:
//!
//! - B3's *debug* implies sampled and has no other effect. Jaeger's debug bit is sent beside the
//!   sampled bit; without the sampled bit the context is not sampled.
//! - A B3 context without a decision (*defer*) is not sampled. The receiver decides, and its
//!   decision is not in this head; the caller reports no span. OpenTelemetry's propagators clear
//!   the flag as well. The same holds for an X-Ray context whose `Sampled` is `?` or absent.
//! - An X-Ray header without `Parent` names a trace and no span in it, as load balancers send it. It
//!   is no context, because there is no caller's span; `Sampled=0` beside it is a decision as below.
//! - A B3 decision without ids (`b3: 0`, `x-b3-sampled: 0`) belongs to no trace. It is no context:
//!   [`Extraction::Denied`] distinguishes it from a head without trace headers, where a new trace
//!   may be started.
//!
//! # Heads that are cut
//!
//! Fields that were not captured count as not sent. A cut may therefore hide the preferred format,
//! or leave a part of B3's multiple headers, which is malformed or not sampled.
//!
//! # `tracestate`
//!
//! Belongs to a `traceparent` that is valid and preferred, and to no other format. It changes
//! neither the ids nor the sampling decision: the exported spans carry it unchanged.
//!
//! [w3c]: https://www.w3.org/TR/trace-context-2/
//! [b3]: https://github.com/openzipkin/b3-propagation
//! [x-ray]: https://docs.aws.amazon.com/xray/latest/devguide/xray-concepts.html#xray-concepts-tracingheader
//! [jaeger]: https://www.jaegertracing.io/sdk-migration/#propagation-format
//! [propagators]: https://opentelemetry.io/docs/specs/otel/context/api-propagators/#b3-requirements

mod b3;
mod field;
mod id;
mod jaeger;
#[cfg(test)]
mod tests;
mod traceresponse;
mod tracestate;
mod w3c;
mod x_ray;

use std::sync::Arc;

use tracer_common::trace_header::{TraceFormat, TraceHeader};

use self::{
    b3::B3,
    field::{Field, trim_ows},
    jaeger::Jaeger,
    tracestate::Tracestate,
    w3c::W3c,
    x_ray::XRay,
};

pub use self::{
    id::{SpanId, TraceId},
    traceresponse::{NAME as TRACERESPONSE, ServerSpan, Traceresponse},
};

/// The trace flags that W3C level 2 defines (section 3.2.2.5); other formats are translated to
/// them.
const SAMPLED: u8 = 0x01;
const RANDOM: u8 = 0x02;

/// The trace of a request, and the caller's span in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct TraceContext {
    /// The trace of the request.
    pub trace_id: TraceId,
    /// The caller's span: the parent of all spans of this request.
    pub parent_id: SpanId,
    /// W3C trace flags. Only bits that level 2 defines are ever set: the others must be propagated
    /// as zero (section 3.2.2.5). The other formats set only the sampled bit.
    pub flags: u8,
}

impl TraceContext {
    /// Whether the caller may have recorded its span. Without that span nothing else of the trace
    /// is worth exporting.
    #[must_use]
    pub fn sampled(&self) -> bool {
        self.flags & SAMPLED != 0
    }
}

/// The trace context of a head, or why there is none.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Extraction {
    /// A valid context, that of the preferred format.
    Context(TraceContext),
    /// No header of any format.
    #[default]
    None,
    /// There are headers of a format, and none is valid. Treated like [`None`](Self::None), and
    /// counted.
    Malformed,
    /// The caller names no span and decided against a trace: no trace may be started.
    Denied,
    /// No header of any format was seen, but part of the head was not seen.
    Unknown,
}

impl Extraction {
    /// Turns `None` into `Unknown` for an incomplete head.
    #[must_use]
    pub fn of_head(self, is_complete: bool) -> Self {
        match self {
            Self::None if !is_complete => Self::Unknown,
            seen => seen,
        }
    }

    /// The context, if it is valid and sampled.
    #[must_use]
    pub fn sampled(&self) -> Option<TraceContext> {
        match self {
            Self::Context(context) if context.sampled() => Some(*context),
            _ => None,
        }
    }
}

/// Reads the trace context from the fields of a head. The order matters only between fields of the
/// same name.
pub fn extract<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> Extraction {
    read(headers).extraction()
}

/// Reads all fields of a head.
pub fn read<'h>(headers: impl Iterator<Item = (&'h str, &'h [u8])>) -> Reader {
    let mut reader = Reader::default();
    headers.for_each(|(name, value)| reader.read(name, value));
    reader
}

/// Reads a head field by field, for callers that do not have all fields at once, such as the HPACK
/// decoder, or that need more than the context.
#[derive(Clone, Debug, Default)]
pub struct Reader {
    w3c: W3c,
    b3: B3,
    jaeger: Jaeger,
    x_ray: XRay,
    tracestate: Tracestate,
}

impl Reader {
    /// Takes the next field of the head; its name may be in any letter case. Only the value of
    /// `tracestate` is stored.
    pub fn read(&mut self, name: &str, value: &[u8]) {
        if let Some(header) = TraceHeader::find(name.as_bytes()) {
            self.read_header(header, value);
        }
    }

    /// Takes the next trace header of the head.
    pub fn read_header(&mut self, header: TraceHeader, value: &[u8]) {
        let value = trim_ows(value);
        match header {
            TraceHeader::Traceparent => self.w3c.read(value),
            TraceHeader::Tracestate => self.tracestate.read(value),
            TraceHeader::B3 => self.b3.read_single(value),
            TraceHeader::B3TraceId => self.b3.read_trace_id(value),
            TraceHeader::B3SpanId => self.b3.read_span_id(value),
            TraceHeader::B3Sampled => self.b3.read_sampled(value),
            TraceHeader::B3Flags => self.b3.read_flags(value),
            TraceHeader::UberTraceId => self.jaeger.read(value),
            TraceHeader::AmznTraceId => self.x_ray.read(value),
        }
    }

    /// The `tracestate` of the context; `None` where the context is not W3C's, or not sampled.
    #[must_use]
    pub fn tracestate(&self) -> Option<Arc<str>> {
        match self.w3c.context() {
            Field::Value(context) if context.sampled() => self.tracestate.list(),
            _ => None,
        }
    }

    /// The result for the fields so far.
    #[must_use]
    pub fn extraction(&self) -> Extraction {
        let contexts = TraceFormat::ALL.map(|format| self.context(format));
        match contexts.into_iter().fold(Field::Absent, Field::or) {
            Field::Value(context) => Extraction::Context(context),
            _ if self.b3.denied() || self.x_ray.denied() => Extraction::Denied,
            Field::Malformed => Extraction::Malformed,
            Field::Absent => Extraction::None,
        }
    }

    fn context(&self, format: TraceFormat) -> Field<TraceContext> {
        match format {
            TraceFormat::W3c => self.w3c.context(),
            TraceFormat::B3 => self.b3.context(),
            TraceFormat::Jaeger => self.jaeger.context(),
            TraceFormat::XRay => self.x_ray.context(),
        }
    }
}
